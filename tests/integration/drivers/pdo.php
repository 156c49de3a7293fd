<?php
// PDO and the functions pg_…. Prints a line for each thing tried, to be compared with what PostgreSQL itself answers.
// Where to: PGHOST, PGPORT, PGUSER, PGDATABASE.

function attempt(string $what, callable $work): void
{
    try {
        echo "$what: ", json_encode($work()), "\n";
    } catch (PDOException $error) {
        echo "$what: ERROR ", $error->getCode(), "\n";
    }
}

function open_pdo(array $options = []): PDO
{
    return new PDO("pgsql:", null, null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION] + $options);
}

$db = open_pdo();
$count = fn() => $db->query("select count(*) from php_items")->fetchColumn();
$double = function (PDOStatement $statement, int $n) {
    $statement->execute([$n]);
    return $statement->fetchColumn();
};

$db->exec("create table php_items (id serial primary key, t text)");
attempt("insert", function () use ($db) {
    $insert = $db->prepare("insert into php_items (t) values (?) returning id");
    return array_map(function ($n) use ($insert) {
        $insert->execute(["row $n"]);
        return $insert->fetchColumn();
    }, range(1, 5));
});
attempt("many statements, each deallocated", function () use ($db, $double) {
    $total = 0;
    for ($n = 0; $n < 300; $n++) $total += $double($db->prepare("select ?::int + $n"), 1);
    return $total;
});
attempt("many statements, all kept", function () use ($db, $double) {
    $statements = array_map(fn($n) => $db->prepare("select ?::int + $n"), range(0, 299));
    $total = 0;
    foreach ([1, 2] as $round) foreach ($statements as $statement) $total += $double($statement, $round);
    return $total;
});
attempt("emulated", function () use ($double) {
    return $double(open_pdo([PDO::ATTR_EMULATE_PREPARES => true])->prepare("select ?::int"), 3);
});
attempt("not prepared", function () use ($double) {
    return $double(open_pdo([PDO::PGSQL_ATTR_DISABLE_PREPARES => true])->prepare("select ?::int"), 3);
});
attempt("persistent", function () {
    $first = open_pdo([PDO::ATTR_PERSISTENT => true])->query("select 5")->fetchColumn();
    return [$first, open_pdo([PDO::ATTR_PERSISTENT => true])->query("select 6")->fetchColumn()];
});
attempt("rolled back", function () use ($db, $count) {
    $db->beginTransaction();
    $db->exec("insert into php_items (t) values ('gone')");
    $within = $count();
    $db->rollBack();
    return [$within, $count()];
});
attempt("no such table", fn() => $db->query("select * from php_nothing"));
attempt("failed, then again", function () use ($db, $double) {
    $divide = $db->prepare("select 6 / ?::int");
    try {
        $double($divide, 0);
    } catch (PDOException $error) {
        return [$error->getCode(), $double($divide, 2)];
    }
});
attempt("in a failed transaction", function () use ($db, $double, $count) {
    $db->beginTransaction();
    $select = $db->prepare("select t from php_items where id = ?");
    $seen = [$double($select, 1)];
    foreach ([fn() => $db->exec("select 1 / 0"), fn() => $double($select, 2)] as $fails) {
        try {
            $fails();
        } catch (PDOException $error) {
            $seen[] = $error->getCode();
        }
    }
    $select = null;  // deallocated while nothing can be
    $db->rollBack();
    return [...$seen, $count()];
});
attempt("copied", fn() => [$db->pgsqlCopyFromArray("php_items", ["100\tcopied", "101\t\\N"]), count($db->pgsqlCopyToArray("php_items"))]);
attempt("cursor", function () use ($db) {
    $db->beginTransaction();
    $cursor = $db->prepare("select generate_series(1, 20)", [PDO::ATTR_CURSOR => PDO::CURSOR_SCROLL]);
    $cursor->execute();
    $seen = [$cursor->fetchColumn(), $cursor->fetchColumn(), $cursor->fetch(PDO::FETCH_NUM, PDO::FETCH_ORI_LAST)];
    $cursor = null;
    $db->commit();
    return $seen;
});
attempt("large object", function () use ($db) {
    $db->beginTransaction();
    $oid = $db->pgsqlLOBCreate();
    fwrite($db->pgsqlLOBOpen($oid, "w"), str_repeat("z", 100000));
    $length = strlen(stream_get_contents($db->pgsqlLOBOpen($oid, "r")));
    $db->pgsqlLOBUnlink($oid);
    $db->commit();
    return $length;
});

$link = pg_connect("");
attempt("pg_prepare, DEALLOCATE, pg_execute", function () use ($link) {
    pg_prepare($link, "q", 'select $1::int');
    $value = pg_fetch_result(pg_execute($link, "q", [7]), 0, 0);
    pg_query($link, "deallocate q");
    return [$value, @pg_execute($link, "q", [8]), pg_last_error($link)];
});
attempt("pg_query_params", fn() => pg_fetch_result(pg_query_params($link, 'select $1::text', ["hé"]), 0, 0));
attempt("pg_send_query", function () use ($link) {
    pg_send_query($link, "select 1; select 2");
    for ($values = []; $result = pg_get_result($link);) $values[] = pg_fetch_result($result, 0, 0);
    return $values;
});
attempt("pg_cancel_query", function () use ($link) {
    pg_send_query($link, "select pg_sleep(5)");  // if it comes too early it has no effect
    return [pg_cancel_query($link), pg_fetch_result(pg_query($link, "select 1"), 0, 0)];
});
attempt("pg_meta_data", fn() => array_keys(pg_meta_data($link, "php_items")));
attempt("pg_ping", fn() => pg_ping($link));
$db->exec("drop table php_items");
