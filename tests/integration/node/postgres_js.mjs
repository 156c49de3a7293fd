// postgres.js (it prepares by itself, and sends the next query before the last one is answered). Prints a line for each
// thing tried, to be compared with what PostgreSQL itself answers. Where to: PGHOST, PGPORT, PGUSER, PGDATABASE.
import postgres from "postgres";

const connect = (options = {}) => postgres({ max: 5, onnotice: (notice) => console.log("notice:", notice.message), ...options });
const sql = connect();
const numbers = (count) => [...Array(count).keys()];
const sum = (rows) => rows.reduce((total, [row]) => total + row.n, 0);

async function attempt(what, work) {
  try {
    console.log(`${what}:`, JSON.stringify(await work()));
  } catch (error) {
    console.log(`${what}: ERROR`, error.code, error.message);
  }
}

await sql`create table js_items (id serial primary key, t text, j jsonb, a int[])`;
await attempt("insert of several", () => sql`insert into js_items ${sql([{ t: "a", j: { x: 1 }, a: [1, 2] }, { t: "b", j: { y: 2 }, a: [3] }])} returning *`);
await attempt("types", () => sql`select 1::int8 a, 1.5::numeric b, '{"a":1}'::json c, array[1, 2] d, '\\x01'::bytea e, null f, true g, '2020-01-01'::date h`);
await attempt("one statement, many at once", async () => sum(await Promise.all(numbers(300).map((i) => sql`select ${i}::int as n`))));
await attempt("many statements at once", async () => sum(await Promise.all(numbers(400).map((i) => sql.unsafe(`select $1::int + ${i} as n`, [1], { prepare: true })))));
await attempt("not prepared", async () => {
  const plain = connect({ prepare: false });
  const total = sum(await Promise.all(numbers(30).map((i) => plain`select ${i}::int as n`)));
  await plain.end();
  return total;
});

await attempt("transaction and savepoint", () => sql.begin(async (tx) => {
  await tx`insert into js_items (t) values ('tx')`;
  await tx.savepoint(async (inner) => {
    await inner`insert into js_items (t) values ('savepoint')`;
    throw new Error("not this");
  }).catch(() => {});
  return tx`select count(*)::int as n from js_items`;
}));
await attempt("transaction in a pipeline", () => sql.begin((tx) => [tx`select 1 as a`, tx`select 2 as b`]));
await attempt("rolled back", () => sql.begin(async (tx) => {
  await tx`insert into js_items (t) values ('no')`;
  await tx`select 1 / ${0}::int`;
}));
await attempt("rolled back, left", () => sql`select count(*)::int as n from js_items`);
await attempt("no such table", () => sql`select * from js_nothing`);
await attempt("error amid others", async () => {
  const ended = await Promise.allSettled([sql`select 1 as a`, sql`select 1 / ${0}::int`, sql`select 3 as c`]);
  return ended.map((one) => one.status);
});

await attempt("cursor", async () => {
  const sizes = [];
  await sql`select * from generate_series(1, 25)`.cursor(10, (rows) => { sizes.push(rows.length); });
  return sizes;
});
await attempt("cursor left early", async () => {
  for await (const rows of sql`select * from generate_series(1, 25)`.cursor(10)) return rows.length;
});
await attempt("row by row", async () => {
  let total = 0;
  await sql`select * from generate_series(1, 500) n`.forEach((row) => { total += row.n; });
  return total;
});
await attempt("described", async () => {
  const { types, columns } = await sql`select ${1}::int as a, now() as b`.describe();
  return [types, columns.map((column) => column.name)];
});
await attempt("simple, two in one", () => sql`select 1 as a; select 2 as b`.simple());
await attempt("copied in", async () => {
  const stream = await sql`copy js_items (t) from stdin`.writable();
  await new Promise((done, failed) => {
    stream.on("error", failed).on("finish", done);
    numbers(1000).forEach((i) => stream.write(`r${i}\n`));
    stream.end();
  });
  return sql`select count(*)::int as n from js_items where t like 'r%'`;
});
await attempt("copied out", async () => {
  let bytes = 0;
  for await (const chunk of await sql`copy js_items (t) to stdout`.readable()) bytes += chunk.length;
  return bytes;
});
await attempt("large", async () => (await sql`select repeat('x', 3000000) as x`)[0].x.length);
await attempt("notice", () => sql`do $$ begin raise notice 'hello'; end $$`);
await attempt("cancelled", async () => {
  const query = sql`select pg_sleep(60)`.execute();
  const running = () => sql`select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active' and datname = current_database()`;
  while ((await running()).length === 0);
  query.cancel();
  return query;
});
await attempt("reserved", async () => {
  const reserved = await sql.reserve();
  const rows = await reserved`select 7 as n`;
  reserved.release();
  return rows;
});

// A prepared statement whose result has changed meanwhile.
const columns = async () => Object.keys((await sql`select * from js_items where id = ${1}`)[0]);
await attempt("columns", columns);
await sql`alter table js_items add column later int`;
await attempt("columns, one more", columns);
await sql`alter table js_items drop column later`;
await attempt("columns, one less", columns);
await sql`drop table js_items`;
await sql.end();
