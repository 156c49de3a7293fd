"""The checkers, checked: each rule is shown a good and a bad sample."""
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import check_compatibility
import check_coverage
import check_layers
import check_options
import check_private_names
import check_tidy
import source

GOOD_HEADER = "// What it is.\n// Thread: any.\n#pragma once\n"


class Tree:
    """A throwaway source tree made of {path: text}."""

    def __init__(self, files):
        self.files = files

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory()
        for name, text in self.files.items():
            path = pathlib.Path(self.folder.name, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return pathlib.Path(self.folder.name)

    def __exit__(self, *_):
        self.folder.cleanup()


class SourceTest(unittest.TestCase):
    def test_comments_and_literals_vanish_but_lines_stay(self):
        code = source.code_only('a; // rand()\nb = "sleep(1)"; /* x\ny */ c = \'{\';\n')
        self.assertNotIn("rand", code)
        self.assertNotIn("sleep", code)
        self.assertNotIn("{", code)
        self.assertEqual(code.count("\n"), 3)

    def test_raw_strings_and_digit_separators(self):
        code = source.code_only('x = R"sql({ "a" )sql"; n = 1\'000\'000; end')
        self.assertNotIn("{", code)
        self.assertIn("end", code)
        self.assertIn("1'000'000", code)

    def test_build_folders_are_no_source(self):
        with Tree({"build/a.cpp": "", "build-asan/b.cpp": "", "conf/c.cpp": ""}) as root:
            self.assertEqual(source.files(root), ["conf/c.cpp"])


class LayersTest(unittest.TestCase):
    def problems(self, files):
        with Tree(files) as root:
            return check_layers.check_tree(root)[0]

    def assert_one(self, files, part):
        problems = self.problems(files)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(part, problems[0])

    def test_leftward_and_own_folder_are_fine(self):
        self.assertEqual(self.problems({
            "protocol/base/bytes.h": GOOD_HEADER,
            "protocol/message/frame.h": GOOD_HEADER + '#include <span>\n#include "protocol/base/bytes.h"\n',
            "protocol/message/frame.cpp": '#include "protocol/message/frame.h"\n',
            "proxy/pool/pool.h": GOOD_HEADER + '#include "protocol/base/bytes.h"\n',
        }), [])

    def test_a_room_to_the_right(self):
        self.assert_one({"conf/a.h": GOOD_HEADER, "protocol/base/b.cpp": '\n#include "conf/a.h"\n'},
                        "protocol/base/b.cpp:2: protocol/ may not include conf/a.h")

    def test_a_folder_listed_later(self):
        self.assert_one({"proxy/session/s.h": GOOD_HEADER,
                         "proxy/pool/p.cpp": '#include "proxy/session/s.h"\n'}, "its folder comes later")

    def test_a_folder_may_not_include_the_top_of_its_room(self):
        self.assert_one({"proxy/worker.h": GOOD_HEADER,
                         "proxy/net/n.cpp": '#include "proxy/worker.h"\n'}, "its folder comes later")

    def test_an_unknown_folder(self):
        self.assert_one({"proxy/new/n.h": GOOD_HEADER, "proxy/worker.cpp": '#include "proxy/new/n.h"\n'},
                        "has no place in ORDER")

    def test_only_main_sees_admin(self):
        admin = {"admin/console/c.h": GOOD_HEADER}
        self.assertEqual(self.problems({**admin, "proxy/main.cpp": '#include "admin/console/c.h"\n'}), [])
        self.assert_one({**admin, "proxy/worker.cpp": '#include "admin/console/c.h"\n'}, "to its right")

    def test_product_does_not_include_tests_but_tests_include_anything(self):
        helper = {"tests/support/s.h": GOOD_HEADER}
        self.assert_one({**helper, "conf/a.cpp": '#include "tests/support/s.h"\n'}, "not in a room")
        self.assertEqual(self.problems({**helper, "tests/unit/a.cpp": '#include "s.h"\n#include <uv.h>\n'}), [])

    def test_short_paths(self):
        self.assert_one({"conf/ini.h": GOOD_HEADER, "conf/other.cpp": '#include "ini.h"\n'}, "is no file")

    def test_own_header_comes_first(self):
        self.assert_one({"conf/ini.h": GOOD_HEADER,
                         "conf/ini.cpp": '#include <vector>\n#include "conf/ini.h"\n'}, "own header")

    def test_header_start(self):
        self.assert_one({"conf/a.h": "#pragma once\n"}, "begins with a // comment")
        self.assert_one({"conf/a.h": "// A.\n#include <vector>\n#pragma once\n"}, "expected #pragma once")
        self.assert_one({"conf/a.h": "// A.\n"}, "no #pragma once")

    def test_libraries_stay_in_their_rooms(self):
        self.assert_one({"proxy/session/s.cpp": "#include <uv.h>\n"}, "libuv")
        self.assert_one({"health/h.cpp": "#include <uv.h>\n"}, "libuv")
        self.assert_one({"proxy/net/s.cpp": "#include <libpq-fe.h>\n"}, "libpq")
        self.assert_one({"protocol/base/s.cpp": "#include <sys/socket.h>\n"}, "no sockets")
        self.assert_one({"protocol/base/s.cpp": "#include <thread>\n"}, "no threads")
        self.assert_one({"protocol/base/s.cpp": "#include <spdlog/spdlog.h>\n"}, "does not log")
        self.assertEqual(self.problems({"proxy/runtime/loop.cpp": "#include <uv.h>\n",
                                        "proxy/control.cpp": "#include <uv.h>\n",
                                        "health/probe.cpp": "#include <libpq-fe.h>\n"}), [])

    def test_includes_in_block_comments_do_not_count(self):
        self.assertEqual(self.problems({"conf/a.cpp": '/*\n#include "nowhere.h"\n*/\n'}), [])


class TidyTest(unittest.TestCase):
    def problems(self, text, name="conf/a.cpp"):
        return check_tidy.check_file(name, text)

    def assert_one(self, text, part, name="conf/a.cpp"):
        problems = self.problems(text, name)
        self.assertEqual(len(problems), 1, problems)
        self.assertIn(part, problems[0])

    def test_columns(self):
        self.assertEqual(self.problems("x" * 100 + "\n"), [])
        self.assert_one("x" * 101 + "\n", "101 columns")
        self.assertEqual(self.problems("// rule zero: a table reads better so\n" + "x" * 120 + "\n"), [])

    def body(self, lines):
        return "    step();\n" * lines

    def test_function_length(self):
        self.assertEqual(self.problems("void f() {\n" + self.body(68) + "}\n"), [])
        self.assert_one("\nvoid f() {\n" + self.body(69) + "}\n", "a.cpp:2: function of 71 lines")

    def test_function_length_in_namespaces_and_classes(self):
        text = "namespace weir {\nnamespace {\nclass A final : public B {\n  public:\n"
        text += "    int f(int x) const override {\n" + self.body(80) + "    }\n};\n}\n}  // namespace weir\n"
        self.assert_one(text, "a.cpp:5: function of 82 lines")

    def test_constructors_with_initialisers(self):
        self.assert_one("A::A(int x)\n    : a_{x}, b_(2) {\n" + self.body(80) + "}\n", "of 83 lines")
        self.assert_one("void f(Options o = {}) {\n" + self.body(80) + "}\n", "of 82 lines")

    def test_lambdas_and_blocks_belong_to_their_function(self):
        text = "void f() {\n    if (x) {\n" + self.body(35) + "    }\n    g([&] {\n" + self.body(40) + "    });\n}\n"
        self.assert_one(text, "function of 81 lines")

    def test_tables_are_no_functions(self):
        self.assertEqual(self.problems("const Row kRows[] = {\n" + '    {"a", f(1)},\n' * 90 + "};\n"), [])

    def test_braces_in_literals_do_not_count(self):
        self.assertEqual(self.problems('void f() {\n    g("{", \'{\');\n}\n' + "int x;\n" * 80), [])

    def test_macros_do_not_count_as_functions(self):
        self.assertEqual(self.problems("#define X(a) \\\n    {\nvoid f() {}\n" + "int x;\n" * 80 + "int y() {}\n"), [])

    def test_long_functions_are_fine_with_a_reason_and_in_tests(self):
        text = "void f() {\n" + self.body(80) + "}\n"
        self.assertEqual(self.problems("// rule zero: one table of cases\n" + text), [])
        self.assertEqual(self.problems(text, "tests/unit/a.cpp"), [])

    def test_banned_calls(self):
        for call in ("strcpy(a, b)", "std::sprintf(a, b)", "rand()", "std::system(a)", "sleep(1)",
                     "std::this_thread::sleep_for(x)", "std::regex r", "using namespace std",
                     "p->shared_from_this()"):
            with self.subTest(call):
                self.assert_one(f"    {call};\n", "banned")

    def test_banned_words_elsewhere_are_fine(self):
        for line in ('log("rand()");', "// sleep(1) would block", "secure_rand(1);", "snprintf(a, n, b);",
                     "std::chrono::system_clock::now();", "file_system(1);"):
            with self.subTest(line):
                self.assertEqual(self.problems(line + "\n"), [])
        self.assertEqual(self.problems("sleep_for(x);\n", "tests/unit/a.cpp"), [])

    def test_markers(self):
        todo, fixme, xxx = "TO" "DO", "FIX" "ME", "X" "XX"
        for text in (f"// {todo}: later", f"// {todo}(me): later", f"// {todo}(soon):", f"// {fixme} it",
                     f"// {xxx}"):
            with self.subTest(text):
                self.assert_one(text + "\n", "without its kind")
        self.assertEqual(self.problems(f"// {todo}(perf): try a wider read\n"), [])
        self.assertEqual(self.problems('mktemp("/tmp/weir.XXXXXX");\n'), [])

    def test_the_project_speaks_of_itself_alone(self):
        self.assert_one("see /wor" "k/tree\n", "path of one machine", "README.md")
        self.assert_one("fixes issue" " #12\n", "tracker", "conf/a.ini")
        self.assert_one('"resolved"' ': "http://x/y.tgz"\n', "registry", "tests/package-lock.json")
        self.assertEqual(self.problems("the network/ and the framework/ of it\n", "README.md"), [])


class PrivateNamesTest(unittest.TestCase):
    SOURCE = ("namespace weir {\n\nnamespace {\n\nconstexpr int kMost = 3;\nconst char* const kWords[] = {\n    \"kNot\",\n};\n\n"
              "struct Row {\n    int inner(int kAlso);\n};\n\nstd::string_view cut(const std::string& text,\n                     int most) {\n"
              "    return text;\n}\n\n}  // namespace\n\nvoid shown() {}\n\n}  // namespace weir\n")

    def problems(self, other, room="conf"):
        with Tree({"conf/a.cpp": self.SOURCE, f"{room}/b.cpp": other}) as root:
            return check_private_names.check_tree(root)[0]

    def test_what_is_private(self):
        self.assertEqual(check_private_names.private_names(self.SOURCE), {"kMost", "kWords", "Row", "cut(std::string, int)"})

    def test_two_of_a_name(self):
        for text in ("constexpr long kMost = 4;", "enum class Row { One };", "int kWords() {\n    return 1;\n}\nstruct kWords {};"):
            self.assertEqual(len(self.problems(f"namespace {{\n\n{text}\n\n}}  // namespace\n")), 1, text)
        text = "namespace {\nint cut(std::string& line, int to = 3) {\n    return to;\n}\n}  // namespace\n"
        self.assertEqual(self.problems(text), ["conf/b.cpp: cut(std::string, int) is a private name of conf/a.cpp, too"])

    def test_what_may_be(self):
        private = "namespace {{\n{}\n}}  // namespace\n"
        self.assertEqual(self.problems(private.format("int cut(char c) {\n    return c;\n}")), [])  # an overload
        self.assertEqual(self.problems("constexpr int kMost = 4;\n"), [])  # not private
        self.assertEqual(self.problems(private.format("constexpr int kMost = 4;"), "health"), [])  # another room


class OptionsTest(unittest.TestCase):
    GOOD = {
        "conf/option_table.cpp": 'const Option kOptions[] = {\n    {"listen_port", Int, "6432"},\n'
                                 '    {"workers", Int, "0"},  // {"not_one",\n};\n',
        "conf/reference.md": "# Options\n## [pgbouncer]\n### listen_port\nx\n## [weir]\n| Name | x |\n|---|---|\n"
                             "| `workers` | y |\n## [databases]\n| `host` | not of the table |\n",
        "tests/golden/options.txt": "# key | value\nlisten_port 6432\nworkers|0\n",
        "conf/weir.ini": "[databases]\n* = host=x\n[pgbouncer]\nlisten_port = 1\n; free text = no key\n[weir]\n;workers = 2\n",
    }

    def problems(self, **changed):
        with Tree({**self.GOOD, **{k.replace("__", "/"): v for k, v in changed.items()}}) as root:
            return check_options.check_tree(root)[0]

    def change(self, name, old, new):
        with Tree({**self.GOOD, name: self.GOOD[name].replace(old, new)}) as root:
            return check_options.check_tree(root)[0]

    def test_agreement(self):
        self.assertEqual(self.problems(), [])

    def test_rows_in_other_shapes(self):
        table = 'OPTION("listen_port", x)\n    WEIR_ROW( "workers", y)\n'
        self.assertEqual(check_options.table_rows(table), [("listen_port", None), ("workers", None)])
        table = ('{Generic, "listen_port", T::Int, "6432", &G::port,\n "TCP port."},\n'
                 '{Generic, "port", T::Int, "6432", &G::port,\n "Older.", kNone,\n "listen_port"},\n};\n')
        self.assertEqual(check_options.table_rows(table), [("listen_port", None), ("port", "listen_port")])

    def test_another_spelling_is_not_shown(self):
        table = self.GOOD["conf/option_table.cpp"].replace("};", '    {"old", Int, "0", "workers"},\n};')
        self.assertEqual(self.change("conf/option_table.cpp", self.GOOD["conf/option_table.cpp"], table), [])
        with Tree({**self.GOOD, "conf/option_table.cpp": table,
                   "tests/golden/options.txt": "listen_port\nworkers\nold\n"}) as root:
            self.assertEqual(len(check_options.check_tree(root)[0]), 1)

    def test_missing_and_surplus(self):
        self.assertEqual(self.change("conf/reference.md", "listen_port", "listen_prot"),
                         ["conf/reference.md: listen_port is missing",
                          "conf/reference.md: listen_prot does not belong there by conf/option_table.cpp"])
        self.assertEqual(self.change("tests/golden/options.txt", "workers|0", "workers|0\nworkers|0"),
                         ["tests/golden/options.txt: workers stands there twice"])

    def test_samples(self):
        self.assertEqual(self.change("conf/weir.ini", "workers", "wrokers"),
                         ["conf/weir.ini:7: wrokers is not in conf/option_table.cpp"])

    def test_missing_file(self):
        with Tree({"conf/option_table.cpp": self.GOOD["conf/option_table.cpp"]}) as root:
            self.assertEqual(len(check_options.check_tree(root)[0]), 2)

    def test_table_without_rows(self):
        self.assertIn("no row", self.change("conf/option_table.cpp", '{"', "{x")[0])


class CompatibilityTest(unittest.TestCase):
    GOOD = {
        "conf/option_table.cpp": 'const Option kOptions[] = {\n    {"listen_port", Int, "6432"},\n};\n',
        "conf/reference.md": "# Options\n## Generic\n| `listen_port` | x |\n## Keys of [databases]\n| `host` | x |\n",
        "tests/golden/show_columns.txt": "SHOW POOLS\n    database text\n",
        "tests/integration/test_one.py": "class First:\n    def test_a(self):\n        pass\n\n\nclass Empty:\n    pass\n",
        "tests/unit/conf/x_test.cpp": 'TEST_CASE("it works, "\n          "really") {\n}\n',
        "conf/compatibility.md": "# What\n## Options\n| option | tests |\n|---|---|\n| `listen_port` | one.First.test_a; one.First |\n"
                                 "## Keys of [databases]\n| `host` | none |\n## SHOW\n| `POOLS` | conf/x_test.cpp \"it works\" |\n"
                                 "## Signals\n| `HUP` | no effect: none here |\n",
    }

    def change(self, old, new, name="conf/compatibility.md"):
        self.assertIn(old, self.GOOD[name])
        with Tree({**self.GOOD, name: self.GOOD[name].replace(old, new)}) as root:
            return check_compatibility.check_tree(root)[0]

    def test_agreement(self):
        with Tree(self.GOOD) as root:
            self.assertEqual(check_compatibility.check_tree(root), ([], 4))
            self.assertEqual(check_compatibility.open_rows(root), ["Keys of [databases]: host"])

    def test_a_test_that_is_not_there(self):
        for old, new in (("one.First.test_a", "one.First.test_b"), ("; one.First |", "; one.Second |"), ("; one.First |", "; one.Empty |"), ("it works", "it fails"),
                         ("conf/x_test", "conf/y_test"), ("no effect: none here", "no effect"), ("| none |", "|  |")):
            with self.subTest(new):
                self.assertEqual(len(self.change(old, new)), 1)

    def test_a_title_over_two_lines(self):
        self.assertEqual(self.change("it works", "it works, really"), [])

    def test_what_has_no_row(self):
        self.assertEqual(self.change("`listen_port`", "`port`"), ["conf/compatibility.md: listen_port has no row in the chapter Options"])
        self.assertEqual(self.change("`host`", "`hots`"), ["conf/compatibility.md: host has no row in the chapter Keys of [databases]"])
        self.assertEqual(self.change("SHOW POOLS", "SHOW LISTS", "tests/golden/show_columns.txt"), ["conf/compatibility.md: LISTS has no row in the chapter SHOW"])

    def test_twice(self):
        self.assertEqual(self.change("| `HUP`", "| `HUP` | none |\n| `HUP`"), ["conf/compatibility.md:12: HUP stands there twice"])

    def test_missing_file(self):
        with Tree({k: v for k, v in self.GOOD.items() if not k.endswith(".md")}) as root:
            self.assertEqual(len(check_compatibility.check_tree(root)[0]), 2)


class CoverageTest(unittest.TestCase):
    def test_lines_and_exemptions(self):
        text = "a\nb  // uncovered: needs a full disk\nc\n"
        self.assertEqual(check_coverage.counted_lines({1: 1, 2: 0, 3: 0}, text), (1, 2, [3]))

    def test_the_gate_names_its_files(self):
        for name in ("protocol/base/a.cpp", "conf/ini.cpp", "proxy/pool/pool.h", "proxy/server/server_fsm.cpp"):
            self.assertTrue(check_coverage.is_gated(name), name)
        for name in ("proxy/net/socket.cpp", "admin/console/show.cpp"):
            self.assertFalse(check_coverage.is_gated(name), name)


if __name__ == "__main__":
    unittest.main()
