# ruby-pg. Prints a line for each thing tried, to be compared with what PostgreSQL itself answers. Where to: PGHOST, PGPORT,
# PGUSER, PGDATABASE.
require "pg"

def attempt(what)
  puts "#{what}: #{yield.inspect}"
rescue PG::Error, RuntimeError => error
  puts "#{what}: ERROR #{error.class} #{error.message.lines.first.strip}"
end

db = PG.connect
one = ->(statement) { db.exec(statement).getvalue(0, 0) }

# The results up to and with the `syncs`th Sync of a pipeline, each as `seen` gives it.
pipeline = lambda do |syncs = 1, seen = ->(result) { result.values }, &send|
  db.enter_pipeline_mode
  send.call
  results = []
  while syncs > 0
    result = begin
      db.get_result
    rescue PG::Error => error
      results << error.class
      next
    end
    next if result.nil?
    result.result_status == PG::PGRES_PIPELINE_SYNC ? syncs -= 1 : results << seen.call(result)
  end
  db.exit_pipeline_mode
  results
end

db.exec("create table ruby_items (id serial primary key, t text)")
attempt("parameters") { db.exec_params("select $1::int + $2::int", [1, 2]).values }
attempt("prepared") do
  db.prepare("a", "select $1::text")
  [db.exec_prepared("a", ["x"]).values, db.describe_prepared("a").nfields]
end
attempt("the name is taken") { db.prepare("a", "select 2") }
attempt("no such statement") { db.exec_prepared("nothing") }
["DEALLOCATE a", "DEALLOCATE ALL", "DISCARD ALL"].each do |forget|
  attempt("prepared again behind #{forget}") do
    db.exec(forget)
    db.prepare("a", "select $1::int")
    db.exec_prepared("a", ["5"]).values
  end
end
attempt("transaction") do
  db.transaction do
    db.exec("insert into ruby_items (t) values ('kept')")
    one["select count(*) from ruby_items"]
  end
end
attempt("transaction that fails") { db.transaction { db.exec("select 1 / 0") } }

attempt("copied in") do
  db.copy_data("copy ruby_items (t) from stdin") { 200.times { |n| db.put_copy_data("line #{n}\n") } }
  one["select count(*) from ruby_items"]
end
attempt("copied in, wrong") { db.copy_data("copy ruby_items (t) from stdin") { db.put_copy_data("a\tb\tc\n") } }
attempt("copied in, given up") do
  db.copy_data("copy ruby_items (t) from stdin") do
    db.put_copy_data("a\n")
    raise "enough"
  end
end
attempt("copied out") do
  lines = 0
  db.copy_data("copy ruby_items (t) to stdout") { lines += 1 while db.get_copy_data }
  lines
end
attempt("copied out, given up") do
  db.copy_data("copy (select generate_series(1, 100000)) to stdout") do
    db.get_copy_data
    raise "enough"
  end
end

attempt("row by row") do
  db.send_query("select generate_series(1, 1000)")
  db.set_single_row_mode
  rows = 0
  db.get_result.stream_each { rows += 1 }
  db.get_result
  rows
end
attempt("row by row, given up") do
  db.send_query("select generate_series(1, 100000)")
  db.set_single_row_mode
  db.get_result.stream_each { break }
  db.discard_results
  one["select 3"]
end
attempt("pipeline") { pipeline.call { 5.times { |n| db.send_query_params("select $1::int", [n]); db.pipeline_sync if n == 4 } } }
attempt("pipeline with an error") do
  pipeline.call(2, ->(result) { result.res_status(result.result_status) }) do
    ["select 1", "select 1 / 0", "select 2"].each { |statement| db.send_query_params(statement, []) }
    db.pipeline_sync
    db.send_query_params("select 3", [])
    db.pipeline_sync
  end
end
attempt("pipeline that prepares") do
  pipeline.call(1, ->(result) { result.ntuples }) do
    db.send_prepare("in_pipeline", "select $1::int")
    db.send_query_prepared("in_pipeline", [8])
    db.send_describe_prepared("in_pipeline")
    db.pipeline_sync
  end
end
attempt("pipeline with a Flush") do
  early = nil
  later = pipeline.call do
    db.send_query_params("select 1", [])
    db.send_flush_request
    db.flush
    early = db.get_result.values
    db.pipeline_sync
  end
  [early, later]
end

attempt("cancelled") do
  other = PG.connect
  db.send_query("select pg_sleep(60)")
  running = "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active' and datname = current_database()"
  nil while other.exec(running).ntuples == 0
  db.cancel
  db.get_last_result
end
attempt("large object") do
  db.transaction do
    oid = db.lo_creat
    fd = db.lo_open(oid, PG::INV_WRITE)
    db.lo_write(fd, "abc")
    db.lo_lseek(fd, 0, PG::SEEK_SET)
    bytes = db.lo_read(fd, 3)
    db.lo_close(fd)
    db.lo_unlink(oid)
    bytes
  end
end
attempt("notice") do
  notices = []
  db.set_notice_processor { |text| notices << text.strip }
  db.exec("do $$ begin raise notice 'hi'; end $$")
  notices
end
attempt("another encoding") do
  db.set_client_encoding("LATIN1")
  bytes = one["select 'é'::text"].bytes
  db.set_client_encoding("UTF8")
  bytes
end
attempt("connected anew") do
  db.reset
  one["select 4"]
end
db.exec("drop table ruby_items")
