// node-postgres through the pooler: node check.js URL named|plain. Prints "ok" and the number of queries, or fails.
const assert = require("assert");
const { Client, Pool } = require("pg");

async function main(url, named) {
  const pool = new Pool({ connectionString: url, max: 12 });
  let queries = 0;
  const ask = async (client, tag) => {
    const text = `select $1::int as n, $2::text as tag, ${tag % 7} as kind`;
    const query = { text, values: [tag, "t" + tag] };
    if (named) query.name = `kind-${tag % 7}`;
    const { rows } = await client.query(query);
    assert.deepStrictEqual(rows, [{ n: tag, tag: "t" + tag, kind: tag % 7 }]);
    queries++;
  };
  await Promise.all([...Array(300).keys()].map((tag) => ask(pool, tag)));

  // Transactions: what one connection has not committed, others do not see.
  await pool.query("create table if not exists node_items (id int, who text)");
  await Promise.all([...Array(20).keys()].map(async (who) => {
    const client = await pool.connect();
    try {
      await client.query("begin");
      await client.query("insert into node_items values ($1, $2)", [who, "w" + who]);
      await ask(client, who);
      const { rows } = await client.query("select count(*)::int as n from node_items where who = $1", ["w" + who]);
      assert.strictEqual(rows[0].n, 1);
      await client.query(who % 2 ? "rollback" : "commit");
    } finally {
      client.release();
    }
  }));
  const { rows } = await pool.query("select count(*)::int as n from node_items");
  assert.strictEqual(rows[0].n, 10);

  // Errors leave the connection usable, in mid-transaction too.
  const client = await pool.connect();
  await assert.rejects(client.query("select 1 / $1::int", [0]), { code: "22012" });
  await client.query("begin");
  await assert.rejects(client.query({ name: named ? "bad" : undefined, text: "select nosuch" }), { code: "42703" });
  await assert.rejects(client.query("select 1"), { code: "25P02" });
  await client.query("rollback");
  await ask(client, 5);
  client.release();
  const large = await pool.query("select repeat('x', 5000000) as x");
  assert.strictEqual(large.rows[0].x.length, 5000000);
  await pool.end();

  // A client of its own, many queries queued at once.
  const single = new Client({ connectionString: url });
  await single.connect();
  await Promise.all([...Array(100).keys()].map((tag) => ask(single, tag)));
  await single.query("drop table node_items");
  await single.end();
  console.log("ok", queries);
}

main(process.argv[2], process.argv[3] === "named").catch((e) => {
  console.error(e);
  process.exit(1);
});
