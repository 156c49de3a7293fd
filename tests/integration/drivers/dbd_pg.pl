# DBD::Pg. Prints a line for each thing tried, to be compared with what PostgreSQL itself answers. Where to: PGHOST, PGPORT,
# PGUSER, PGDATABASE.
use strict;
use warnings;
use DBI;
use DBD::Pg ':pg_types', ':async';

my $db = DBI->connect("dbi:Pg:", "", "", {RaiseError => 1, PrintError => 0, AutoCommit => 1});

sub attempt {
    my ($what, $work) = @_;
    my $answer = eval { join ", ", map { $_ // "undef" } $work->() };
    $answer = "ERROR " . $db->state if $@;
    print "$what: $answer\n";
}

sub count { ($db->selectrow_array("select count(*) from perl_items"))[0] }

$db->do("create table perl_items (id serial primary key, t text, b bytea)");
attempt "insert", sub {
    my $insert = $db->prepare("insert into perl_items (t, b) values (?, ?) returning id");
    $insert->bind_param(2, undef, {pg_type => PG_BYTEA});
    map { $insert->execute("row $_", "\0\1x"); $insert->fetchrow_array } 1 .. 5;
};
attempt "select, again", sub {
    my $select = $db->prepare("select t from perl_items where id > ? order by id");
    map { $select->execute($_); map { $_->[0] } @{$select->fetchall_arrayref} } 1, 3;
};
attempt "many statements", sub {
    my $total = 0;
    for my $n (1 .. 300) {
        my $statement = $db->prepare("select ?::int + $n");
        $statement->execute(1);
        $total += ($statement->fetchrow_array)[0];
    }
    $total;
};
attempt "prepared at once", sub {
    my $statement = $db->prepare("select ?::int", {pg_prepare_now => 1});
    $statement->execute(4);
    $statement->fetchrow_array;
};
attempt "not prepared", sub {
    local $db->{pg_server_prepare} = 0;
    $db->selectrow_array("select ?::int", undef, 9);
};
attempt "rolled back", sub {
    $db->begin_work;
    $db->do("insert into perl_items (t) values (?)", undef, "gone");
    my $within = count();
    $db->rollback;
    ($within, count());
};
attempt "savepoint", sub {
    $db->begin_work;
    $db->do("insert into perl_items (t) values ('kept')");
    $db->pg_savepoint("here");
    eval { $db->do("select 1 / 0") };
    $db->pg_rollback_to("here");
    $db->commit;
    count();
};
attempt "no such table", sub { $db->do("select * from perl_nothing") };
attempt "failed, then again", sub {
    my $divide = $db->prepare("select 6 / ?::int");
    eval { $divide->execute(0) };
    my $state = $db->state;
    $divide->execute(2);
    ($state, $divide->fetchrow_array);
};
attempt "in a failed transaction", sub {
    my $select = $db->prepare("select t from perl_items where id = ?");
    $select->execute(1);
    $select->finish;
    $db->begin_work;
    eval { $db->do("select 1 / 0") };
    eval { $select->execute(2) };
    my $state = $db->state;
    undef $select;    # deallocated while nothing can be
    $db->rollback;
    ($state, count());
};
attempt "copied in", sub {
    $db->do("copy perl_items (t) from stdin");
    $db->pg_putcopydata("copied $_\n") for 1 .. 1000;
    $db->pg_putcopyend;
    count();
};
attempt "copied out", sub {
    $db->do("copy perl_items (t) to stdout");
    my ($line, $lines) = ("", 0);
    $lines++ while $db->pg_getcopydata($line) >= 0;
    $lines;
};
attempt "asynchronous", sub {
    $db->do("select pg_sleep(0.1)", {pg_async => PG_ASYNC});
    $db->pg_result;
};
attempt "cancelled", sub {
    my $other = $db->clone;
    $db->do("select pg_sleep(60)", {pg_async => PG_ASYNC});
    my $running = "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active' and datname = current_database()";
    1 until $other->selectrow_array($running);
    ($db->pg_cancel, $db->state);
};
attempt "ping", sub { $db->ping };
attempt "large object", sub {
    $db->begin_work;
    my $oid = $db->pg_lo_creat($db->{pg_INV_WRITE});
    my $fd = $db->pg_lo_open($oid, $db->{pg_INV_WRITE});
    $db->pg_lo_write($fd, "hello", 5);
    $db->pg_lo_lseek($fd, 0, 0);
    my $bytes = "";
    my $got = $db->pg_lo_read($fd, $bytes, 5);
    $db->pg_lo_close($fd);
    $db->pg_lo_unlink($oid);
    $db->commit;
    ($got, $bytes);
};
attempt "catalogue", sub { map { $_->[3] } @{$db->column_info("", "public", "perl_items", "%")->fetchall_arrayref} };
$db->do("drop table perl_items");
$db->disconnect;
