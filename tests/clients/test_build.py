"""The files that are shipped: what they weigh, that they are built from these sources, and what the compiler says of calls."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import NODE_TESTS, ROOT, SERVED, Built
from tests.tools import find_tool

pytestmark = pytest.mark.external_service

BUDGET = {"headwater.js": 3_350, "headwater.iife.js": 3_550, "headwater-redirect.js": 1_700, "headwater-sw.js": 4_200}


def tsc(node_modules: Path, *arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        [str(node_modules / ".bin/tsc"), "--pretty", "false", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120
    )
    return done.stdout


def test_building_again_gives_the_same_bytes(built: Built) -> None:
    again = {path.name: path.read_bytes() for path in built.served.iterdir()}

    committed = {path.name: path.read_bytes() for path in SERVED.iterdir()}

    assert set(again) == set(BUDGET)
    assert [name for name, body in again.items() if committed.get(name) != body] == []
    assert set(committed) == set(again)


@pytest.mark.parametrize(("name", "most"), BUDGET.items())
def test_each_file_stays_small(name: str, most: int) -> None:
    size = len(gzip.compress((SERVED / name).read_bytes(), 9))

    assert size <= most, f"{name} has {size} bytes gzipped"


def test_the_lock_files_pin_the_same_tools_and_name_no_host() -> None:
    tools = json.loads((ROOT / "clients/package.json").read_text())["devDependencies"]
    tests = json.loads((NODE_TESTS / "package.json").read_text())["dependencies"]
    locks = [(folder / "package-lock.json").read_text() for folder in (ROOT / "clients", NODE_TESTS)]

    assert {name: tests[name] for name in tools} == tools
    assert [("resolved" in lock, "://registry" in lock) for lock in locks] == [(False, False)] * 2


def test_the_sources_pass_the_compiler(node_modules: Path, built: Built) -> None:
    said = [tsc(node_modules, "-p", folder, cwd=built.folder) for folder in ("client", "redirect", "sw")]

    assert said == ["", "", ""]


def test_each_package_carries_its_code_its_types_and_a_page_to_read(node_modules: Path, built: Built) -> None:
    npm = find_tool("npm")
    packed = {}
    for folder in ("client", "redirect", "sw"):
        tsc(node_modules, "-p", folder, cwd=built.folder)
        done = subprocess.run([npm, "pack", "--dry-run", "--json"], cwd=built.folder / folder, capture_output=True, text=True, timeout=240)
        said = json.loads(done.stdout)
        [package] = said.values() if isinstance(said, dict) else said
        packed[package["name"]] = {file["path"] for file in package["files"]}

    assert set(packed) == {"@headwater/client", "@headwater/redirect", "@headwater/service-worker"}
    for folder, (_, paths) in zip(("client", "redirect", "sw"), packed.items(), strict=True):
        package = json.loads((built.folder / folder / "package.json").read_text())
        exported = [path for target in package["exports"].values() for path in (target.values() if isinstance(target, dict) else [target])]
        assert {path.removeprefix("./") for path in exported} | {"README.md", "package.json"} <= paths


CALLS = """
import { Headwater, init } from "@headwater/client";
import { useRecord } from "@headwater/client/react";

export interface HeadwaterEvents {
  SignInEvent: { email: string; is_test_user: boolean; age?: number; user_type: string | null };
  "app/load page": { url?: string };
  Ping: Record<string, never>;
}
interface AmplifyEvent<Name extends keyof HeadwaterEvents = keyof HeadwaterEvents> {
  name: Name;
  attributes?: Record<string, string>;
  metrics?: Record<string, number>;
  immediate?: boolean;
}
declare const made: AmplifyEvent<"SignInEvent">;
declare const any: AmplifyEvent;

const typed = new Headwater<HeadwaterEvents>({ url: "https://h", appId: "a", writeKey: "k" });
const open = init({ url: "https://h", appId: "a", writeKey: "k", flushSize: 10 });
const given = { email: "a@b.c", is_test_user: false, user_type: null };
"""
RIGHT = """
typed.record("SignInEvent", given);
typed.record("SignInEvent", { ...given, age: 7 });
typed.record("app/load page");
typed.record("app/load page", { url: "/" });
typed.record("Ping");
typed.record(made);
typed.record(any);
typed.record({ name: "Ping" });
open.record("Anything", { a: 1, b: null, c: [1], d: new Date() }, { m: 1 });
open.record({ name: "Anything", attributes: { a: "x" }, metrics: { m: 1 } });
open.record("Anything");
open.identifyUser({ userId: "u", userProfile: { location: { latitude: 1, city: "W" }, customProperties: { a: ["b"] } } });
open.configureAutoTrack({ enable: true, type: "pageView", options: { appType: "multiPage" } });
export const id: string | undefined = typed.record("SignInEvent", given);
export const done: Promise<void> = typed.flushEvents();
export const hook = () => useRecord<HeadwaterEvents>()("SignInEvent", given);
"""
WRONG = [
    'typed.record("SignInEvent");',
    'typed.record("SignInEvent", { email: "a@b.c", is_test_user: false });',
    'typed.record("SignInEvent", { ...given, is_test_user: "no" });',
    'typed.record("SignInEvent", { ...given, emial: "a" });',
    'typed.record("SignInEvent", { ...given, email: null });',
    'typed.record("SignOutEvent", {});',
    'typed.record({ name: "SignOutEvent" });',
    'typed.record("app/load page", { url: 7 });',
    'typed.record("Ping", { a: 1 });',
    'open.record("Anything", { a: 1 }, { m: "1" });',
    "open.record(7);",
    'open.identifyUser({ userProfile: { email: "a@b.c" } });',
    'open.configureAutoTrack({ enable: true, type: "click" });',
    'open.configureAutoTrack({ enable: true, type: "session", options: { appType: "multiPage" } });',
    'init({ url: "https://h", appId: "a" });',
    'useRecord<HeadwaterEvents>()("SignInEvent", {});',
]


@pytest.mark.parametrize("resolution", ["bundler", "nodenext"])
def test_the_compiler_takes_right_calls_and_refuses_wrong_ones(node_modules: Path, built: Built, tmp_path: Path, resolution: str) -> None:
    tsc(node_modules, "-p", "client", cwd=built.folder)
    packages = tmp_path / "node_modules"
    (packages / "@headwater").mkdir(parents=True)
    (packages / "@headwater/client").symlink_to(built.folder / "client")
    for name in ("react", "@types", "csstype"):
        (packages / name).symlink_to(node_modules / name)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "calls.ts").write_text(CALLS + RIGHT + "\n".join(WRONG) + "\n")
    module = "esnext" if resolution == "bundler" else "nodenext"
    first_wrong = (CALLS + RIGHT).count("\n") + 1

    options = [
        "--strict",
        "--noEmit",
        "--target",
        "es2022",
        "--module",
        module,
        "--moduleResolution",
        resolution,
        "--types",
        "",
        "calls.ts",
    ]
    said = tsc(node_modules, *options, cwd=tmp_path)

    refused = {int(line.partition("(")[2].partition(",")[0]) for line in said.splitlines() if line.startswith("calls.ts(")}
    assert refused == set(range(first_wrong, first_wrong + len(WRONG))), said
