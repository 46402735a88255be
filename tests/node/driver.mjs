// A browser for the tests: takes one JSON command a line on stdin, answers each with one JSON line on stdout.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

import { chromium } from "playwright-core";

const [executablePath, profile, ...more] = process.argv.slice(2);
const args = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--no-startup-window", // its page changes processes while it loads: who connects at that moment waits for ever
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
  `--user-data-dir=${profile}`,
  ...more,
];
let process_; // of the browser, ours to end
let starting; // the promise of its context: a command that gave up waiting must not start a second one on the same profile
let context; // its profile lies on disk, so that it can be opened again
const pages = new Map();
let number = 0;

const commands = {
  async open({ url, script }) {
    context = await (starting ??= start()).catch(async (error) => {
      await commands.kill(); // so that it is one test that fails: the next one starts another browser
      throw error;
    });
    const page = await context.newPage().catch(async (error) => {
      if (!/closed/.test(error.message)) throw error;
      await commands.kill(); // the browser ended by itself: machines kill what takes memory
      context = await (starting = start());
      return context.newPage();
    });
    const id = ++number;
    pages.set(id, { page, said: [] });
    page.on("console", (message) => pages.get(id)?.said.push(message.text()));
    page.on("pageerror", (error) => pages.get(id)?.said.push(`error: ${error.message}`));
    if (script) await page.addInitScript(script);
    await page.goto(url);
    return id;
  },
  go: ({ page, url }) => pages.get(page).page.goto(url).then(() => null),
  run: ({ page, script }) => pages.get(page).page.evaluate(script),
  click: ({ page, selector }) => pages.get(page).page.click(selector),
  fill: ({ page, selector, text }) => pages.get(page).page.fill(selector, text),
  press: ({ page, key }) => pages.get(page).page.keyboard.press(key),
  said: ({ page }) => pages.get(page).said,
  async close({ page }) {
    await pages.get(page).page.close({ runBeforeUnload: false });
    pages.delete(page);
  },
  /** Close every page, and forget the service workers and what they keep. */
  async fresh() {
    for (const { page } of pages.values()) await page.close();
    pages.clear();
    const workers = context?.serviceWorkers() ?? [];
    if (!workers.length) return;
    const blank = await context.newPage();
    const session = await context.newCDPSession(blank);
    for (const worker of workers) {
      await session.send("Storage.clearDataForOrigin", { origin: new URL(worker.url()).origin, storageTypes: "all" });
    }
    await blank.close();
  },
  /** Kill the browser; the next `open` starts it again on the same profile. */
  async kill() {
    if (!process_) return;
    context = starting = undefined;
    pages.clear();
    process_.kill("SIGKILL");
    if (process_.exitCode === null && process_.signalCode === null) await once(process_, "exit");
  },
};

async function start() {
  process_ = spawn(executablePath, args, { stdio: ["ignore", "ignore", "pipe"] });
  const lines = createInterface({ input: process_.stderr }); // read to its end: a pipe that is full would stop the browser
  const address = await new Promise((found, failed) => {
    lines.on("line", (line) => {
      const told = /DevTools listening on (ws:.*)/.exec(line)?.[1];
      if (told) found(told);
    });
    lines.on("close", () => failed(new Error("the browser did not start")));
  });
  return (await chromium.connectOverCDP(address)).contexts()[0];
}

for await (const line of createInterface({ input: process.stdin })) {
  const { op, ...given } = JSON.parse(line);
  let answer;
  try {
    const patience = context ? 60 : 120; // the first start of a browser on a busy machine takes long
    const late = new Promise((_, reject) => {
      setTimeout(() => reject(new Error(`${op} takes more than ${patience} s`)), patience * 1000).unref();
    });
    answer = { value: (await Promise.race([commands[op](given), late])) ?? null };
  } catch (error) {
    answer = { error: String(error?.message ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
await commands.kill();
process.exit();
