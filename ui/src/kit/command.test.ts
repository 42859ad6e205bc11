import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { joinCommand, splitCommand } from "./command";
import { quote } from "./quote";

const lines: [string, string[]][] = [
  ["", []], ["  ", []], ["echo", ["echo"]], ["  echo  a\tb\n", ["echo", "a", "b"]],
  [`echo 'a b' "c d" e\\ f`, ["echo", "a b", "c d", "e f"]],
  [`a''b""c '' ""`, ["abc", "", ""]],
  [`'it'\\''s' "it's" 'a "b" c'`, ["it's", "it's", 'a "b" c']],
  [`"a\\nb" 'a\\nb' a\\nb`, ["a\\nb", "a\\nb", "anb"]],
  [`"\\"x\\"" "\\\\" "\\$HOME" "\\\`" '\\'`, ['"x"', "\\", "$HOME", "`", "\\"]],
  ["a\\\nb \\\n c \"d\\\ne\"", ["ab", "c", "de"]],
  ["'two\nlines'", ["two\nlines"]],
  ["보고서 '한 줄' 😀", ["보고서", "한 줄", "😀"]],
  [`--x="a b"c\\"`, ['--x=a bc"']],
  ["a\u00a0b c", ["a\u00a0b", "c"]],
  ["\\\\", ["\\"]], ["end\\", ["end\\"]],
];

// A shell's own answer: each argument, ended by a zero.
const shell = (line: string) => execFileSync("/bin/sh", ["-c", `for a in ${line.trimEnd()}\ndo printf '%s\\0' "$a"; done`]).toString().split("\0").slice(0, -1);

it("splits a line as a shell does", () => {
  for (const [line, argv] of lines) expect(splitCommand(line), line).toEqual(argv);
  for (const [line, argv] of lines) if (!line.endsWith("end\\")) expect(shell(line), line).toEqual(argv);
});

it("leaves what only a shell that runs would change", () => {
  expect(splitCommand("echo $HOME *.csv | grep a > b; `c` #d")).toEqual(["echo", "$HOME", "*.csv", "|", "grep", "a", ">", "b;", "`c`", "#d"]);
});

it("finds a quote that is open", () => {
  for (const line of ["echo 'open", `echo "open`, `echo "open\\"`, "a 'b' 'c", `it's`, `"'`]) expect(splitCommand(line), line).toBeNull();
});

it("writes arguments so that they are read as they were", () => {
  for (const argv of [["a", "b c", "it's", ""], ["/bin/echo", "--x=1"], ["a\nb", "\\", '"', "$x", " ", "\t"], ...lines.map(([, argv]) => argv)]) expect(splitCommand(joinCommand(argv))).toEqual(argv);
  expect([quote("a/b.c"), quote("a b"), quote("")]).toEqual(["a/b.c", "'a b'", "''"]);
});
