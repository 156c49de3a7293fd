// The console by node-postgres: node console.js URL. Prints one JSON line.
const { Client } = require('pg');

async function main() {
  const client = new Client({ connectionString: process.argv[2] });
  await client.connect();
  const pools = await client.query('SHOW POOLS');
  const lists = await client.query({ name: 'lists', text: 'SHOW LISTS' }); // the extended protocol
  let error = '';
  try {
    await client.query('PAUSE nosuch');
  } catch (e) {
    error = e.message;
  }
  const reload = await client.query('RELOAD');
  await client.end();
  console.log(JSON.stringify({ columns: pools.fields.map((f) => f.name), pools: pools.rows, lists: lists.rows, error, command: reload.command }));
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
