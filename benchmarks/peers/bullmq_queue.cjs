// BullMQ: at least once; a task whose worker did not renew its lock for 10 s runs elsewhere.
//
// node bullmq_queue.cjs MODULES work CONCURRENCY
// node bullmq_queue.cjs MODULES ACTION COUNT [TASK]      the actions of benchmarks/produce.py
//
// The recorder and the tasks are those of recorder.py and bodies.py, line for line.
"use strict";

const fs = require("node:fs");
const [modules, action, number, task = "noop"] = process.argv.slice(2);
const { Queue, Worker } = require(`${modules}/bullmq`);

const url = new URL(process.env.BENCH_URL);
const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null };
const count = Number(number);
const COROUTINES = 100, PORTION = 1000, PACE = 10, OPTIONS = { removeOnComplete: true };

const now = () => (performance.timeOrigin + performance.now()) / 1000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const cpu = () => { const used = process.cpuUsage(); return (used.user + used.system) / 1e6; };

const marks = new Set(JSON.parse(process.env.BENCH_MARKS || "[]"));
const wanted = Number(process.env.BENCH_SAMPLES || "0");
const since = Number(process.env.BENCH_SINCE || "0");
const schedules = JSON.parse(process.env.BENCH_SCHEDULES || "{}").count || 0;
const samples = [];
let runs = 0;

function note(fields) {
  const line = { at: now(), pid: process.pid, cpu: cpu(), ...fields };
  fs.appendFileSync(process.env.BENCH_RECORD, JSON.stringify(line) + "\n");
}

function ran() {
  if (marks.has(++runs)) note({ mark: runs });
}

function sample(value) {
  if (now() >= since && samples.push(value) === wanted) note({ samples });
}

const TASKS = {
  noop: async () => ran(),
  nap: async () => { await sleep(1); ran(); },
  stamp: async (from) => sample(now() - from),
  minute: async () => sample(now()),
  step: async (n) => { note({ began: n }); await sleep(1000); note({ ended: n }); },
};

async function work() {
  const queue = new Queue("bench", { connection });
  for (let n = 0; n < schedules; n++) {
    await queue.upsertJobScheduler(`minute ${n}`, { pattern: "* * * * *" }, { name: "minute", data: n, opts: OPTIONS });
  }
  await queue.close();
  const worker = new Worker("bench", (job) => TASKS[job.name](job.data), {
    connection, concurrency: count, lockDuration: 10_000, stalledInterval: 10_000, maxStalledCount: 3,
  });
  process.on("SIGTERM", async () => { await worker.close(); process.exit(0); });
}

const ACTIONS = {
  async one(queue) { for (let n = 0; n < count; n++) await queue.add(task, n, OPTIONS); },
  async concurrent(queue) {
    const enqueue = async (first) => {
      for (let n = first; n < count; n += COROUTINES) await queue.add(task, n, OPTIONS);
    };
    await Promise.all(Array.from({ length: COROUTINES }, (_, first) => enqueue(first)));
  },
  async bulk(queue) {
    for (let first = 0; first < count; first += PORTION) {
      const length = Math.min(PORTION, count - first);
      await queue.addBulk(Array.from({ length }, (_, n) => ({ name: task, data: first + n, opts: OPTIONS })));
    }
  },
  async now(queue) { await queue.add(task, 0, OPTIONS); },
  async paced(queue) {
    const start = performance.now();
    for (let n = 0; n < count; n++) {
      await sleep(Math.max(0, start + n * PACE - performance.now()));
      await queue.add("stamp", now(), OPTIONS);
    }
  },
  async delayed(queue) {
    for (let n = 0; n < count; n++) {
      const due = now() + 2 + 3 * Math.random();
      await queue.add("stamp", due, { ...OPTIONS, delay: Math.ceil((due - now()) * 1000) });
    }
  },
};
ACTIONS.fill = ACTIONS.bulk;

async function produce() {
  const queue = new Queue("bench", { connection });
  await queue.waitUntilReady();
  const wall = performance.now(), used = cpu();
  await ACTIONS[action](queue);
  console.log(JSON.stringify({ seconds: (performance.now() - wall) / 1000, cpu: cpu() - used }));
  await queue.close();
}

if (action === "work") work();
else produce();
