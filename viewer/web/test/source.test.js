// What is true of the source as a whole.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';

const folder = new URL('../', import.meta.url);
const files = readdirSync(folder).filter((name) => /\.(js|css|html)$/.test(name));
const source = (name) => readFileSync(new URL(name, folder), 'utf8');
const importsOf = (name) => [...source(name).matchAll(/^import [^;]*'\.\/([^']+)';/gm)].map(([, imported]) => imported);

test('no line is longer than 120 columns', () => {
  const tests = readdirSync(new URL('test/', folder)).filter((name) => name.endsWith('.js'));
  const long = [...files, ...tests.map((name) => `test/${name}`)].flatMap((name) =>
    source(name)
      .split('\n')
      .flatMap((line, i) => (line.length > 120 ? [`${name}:${i + 1}`] : [])),
  );
  assert.deepEqual(long, []);
});

test('no two files import each other, however far around', () => {
  const done = new Set();
  const visit = (name, path) => {
    assert.ok(!path.includes(name), [...path, name].join(' → '));
    if (done.has(name)) return;
    for (const imported of importsOf(name)) visit(imported, [...path, name]);
    done.add(name);
  };
  const scripts = files.filter((name) => name.endsWith('.js'));
  for (const script of scripts) visit(script, []);
  assert.ok(done.has('app.js') && done.has('lib.js'));
});

test('every file of the page is in the binary, and nothing else of this folder', () => {
  const page = readFileSync(new URL('../../src/page.rs', import.meta.url), 'utf8');
  const embedded = [...page.matchAll(/asset!\("([^"]+)"/g)].map(([, name]) => name);
  const own = readdirSync(folder).filter((name) => /\.(js|css|svg)$/.test(name) && name !== 'eslint.config.js');
  const vendored = readdirSync(new URL('vendor', folder)).filter((name) => name.endsWith('.js'));
  const ofPage = [...own, ...vendored.map((name) => `vendor/${name}`)];
  assert.deepEqual(embedded.sort(), ofPage.sort());
});

test('what is vendored is as its makers released it, with its licence', () => {
  const released = (path) => readFileSync(new URL(`node_modules/@dagrejs/dagre/${path}`, folder), 'utf8');
  assert.equal(source('vendor/dagre.js'), released('dist/dagre.esm.js'));
  assert.equal(source('vendor/dagre.LICENSE'), released('LICENSE'));
});
