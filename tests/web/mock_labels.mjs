// The labelling part of the mock server: one queue of pairs, a gold item in it, what was saved.
export function labelRoutes() {
  const prompts = [["I put 2,400 into an account at 3.5 % a year, paid monthly. How much interest do I have after four years?",
    "You have earned **360.09**, so the account holds 2,760.09.\n\nEach month adds a twelfth of 3.5 %, and that interest earns interest in the months after.", "Great question! After four years you will have about **354.06** in interest.\n\n2400 × 1.035^4 = 2754.06",
    "lanes of one vote disagreed: 360.09 (5 of 8) and 354.06 (3 of 8)"],
  ["A loan of 5,000 at 4 % for one year, simple interest. How much is it?", "The interest is 200.", "It is 5,200 in all.", "thumb down: not what I asked"],
  ["What is 12 % of 350?", "42", "The answer is 4.2.", "thumb down"]];
  const tasks = prompts.map(([prompt, a, b, why], i) => ({ id: `task_${i}`, queue: "interest", prompt, answers: [a, b], why, disagreement: 1 - i / 3, asked_at: null, gold: i === 1 ? { choice: 1 } : null }));
  const labels = [];
  const queue = { name: "interest", kind: "pairwise", title: "Which answer is better?", guideline: "Prefer the answer that is **right**. Then the shorter one.", tags: ["units", "flattery"], double_percent: 20, lease_s: 900,
    rubric: [{ name: "Correct", help: "The figure and the steps hold when checked." }, { name: "Complete", help: "Answers all that was asked, nothing beside it." }, { name: "Plain", help: "Short words, no flattery, units named." }] };
  const open = () => tasks.filter((task) => !labels.some((label) => label.task === task.id));
  return {
    saved: labels,
    handle(method, path, sent) {
      if (path === "/labels") return { body: { data: [{ ...queue, open: open().length + 23, done: labels.length + 34, flagged: 0 }] } };
      if (path === "/labels/interest/next") {
        const task = open()[0];
        if (!task) return { body: { task: null } };
        const { gold, ...shown } = task;
        return { body: { task: { ...shown, lease_until: Date.now() + 760e3 } } };
      }
      if (path === "/labels/interest/undo") return labels.pop() ? { body: { task: "task_0" } } : null;
      if (path === "/labels/interest/stats") return { body: { alpha: 0.741, alpha_low: 0.66, alpha_high: 0.81, double: 12,
        labellers: [{ labeller: "key_1", me: true, labels: 34, gold: 12, gold_right: 11, shared: 12, differs: 2, median_s: 81, per_hour: 41, too_fast: false }] } };
      if (path.startsWith("/label-tasks/") && method === "POST") {
        const task = tasks.find((one) => path.endsWith("/" + one.id));
        if (!task) return null;
        labels.push({ task: task.id, value: sent });
        return { body: task.gold && !sent.skip ? { gold: task.gold, right: sent.choice < 3 } : {} };
      }
      return undefined;
    },
  };
}
