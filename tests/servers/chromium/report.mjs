// Opens a report from disk in the Chromium of this machine and prints as JSON what a person would meet.
// Arguments: folder with node_modules, path of Chromium, report.html, folder for pictures (or nothing).
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, executablePath, report, pictures] = process.argv.slice(2);
const require = createRequire(pathToFileURL(`${modules}/`));
const { chromium } = require("playwright-core");
const axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const url = pathToFileURL(report).href;

// Root may not use Chromium's sandbox; nothing but our own file is opened.
const args = process.getuid() === 0 ? ["--no-sandbox"] : [];
const browser = await chromium.launch({ executablePath, args });
const views = [];
try {
  for (const width of [400, 1600]) {
    for (const colorScheme of ["light", "dark"]) {
      // The content security policy forbids scripts, also axe's; bypassing it changes nothing that axe looks at.
      const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
      const page = await context.newPage();
      const view = { width, colorScheme, console: [], requests: [] };
      page.on("console", (message) => view.console.push(`${message.type()}: ${message.text()}`));
      page.on("pageerror", (error) => view.console.push(`error: ${error.message}`));
      page.on("request", (request) => view.requests.push(request.url()));
      await page.goto(url);
      Object.assign(view, await page.evaluate(() => ({
        title: document.title,
        language: document.documentElement.lang,
        sections: [...document.querySelectorAll("main > section")].map((s) => [s.id, s.querySelector("h2").textContent]),
        overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        dead: [...document.querySelectorAll("a[href^='#']")].filter((a) => !document.getElementById(a.hash.slice(1))).length,
        background: getComputedStyle(document.body).backgroundColor,
      })));
      await page.keyboard.press("Tab");
      view.firstStop = await page.evaluate(() => document.activeElement.textContent);
      await page.keyboard.press("Enter");
      await page.keyboard.press("Tab");
      view.afterSkip = await page.evaluate(() => document.activeElement.closest("main") !== null);
      if (pictures) await page.screenshot({ path: `${pictures}/report-${width}-${colorScheme}.png`, fullPage: true });
      await page.evaluate(axe);
      const found = await page.evaluate(() => window.axe.run(document));
      view.violations = found.violations.map((v) => [v.impact, v.id, v.nodes.slice(0, 3).map((n) => n.html.slice(0, 120))]);
      views.push(view);
      await context.close();
    }
  }
  const context = await browser.newContext({ colorScheme: "dark" });
  const page = await context.newPage();
  const strict = []; // with the content security policy in force, which the views above are without
  page.on("console", (message) => strict.push(`${message.type()}: ${message.text()}`));
  page.on("pageerror", (error) => strict.push(`error: ${error.message}`));
  await page.goto(url);
  const pdf = await page.pdf({ format: "A4" });
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  const paper = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  process.stdout.write(JSON.stringify({ views, strict, paper, pages: (pdf.toString("latin1").match(/\/Type\s*\/Page\b/g) || []).length }));
} finally {
  await browser.close();
}
