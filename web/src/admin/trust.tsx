// Models, audit log and system.
import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { useEffect } from "preact/hooks";
import { get, post, reason } from "../lib/api";
import { bytes, count, dateTime, percent, short, span } from "../lib/format";
import { Bar, Icon, Notice, say, Tag } from "../ui";
import { Table } from "./chart";
import { Block, Head, useLoaded, Waiting } from "./parts";
import type { AdminModel, AuditEntry, System as SystemData, Tenant } from "./types";

function ModelState({ model }: { model: AdminModel }): VNode {
  switch (model.state) {
    case "ready": return <Tag tone="good" icon="check">Ready</Tag>;
    case "failed": return <Tag tone="bad" icon="alert">Failed</Tag>;
    case "loading": return <div class="quota"><span class="num"><span>Loading</span><span class="faint">{bytes((model.progress ?? 0) * model.bytes)} of {bytes(model.bytes)}</span></span><Bar part={model.progress ?? 0} tone="live" label={`${percent(model.progress ?? 0)} loaded`} /></div>;
    default: return <Tag icon="minus">Not loaded</Tag>;
  }
}

export function Models(): VNode {
  const loaded = useLoaded<{ data: AdminModel[] }>("/models", 5000);
  const list = loaded.data.value?.data ?? [];
  return (
    <>
      <Head title="Models" text="What this server can answer with. A model that is loading does not stop the one that answers." />
      <Waiting of={loaded}>{list.length === 0 ? <div class="empty"><h2>No model</h2><p class="dim">Start the server with one.</p><code>firesteel serve --model model.gguf</code></div> : (
        <Table caption="Models" hover columns={[{ title: "Model" }, { title: "State" }, { title: "Parameters", n: true }, { title: "Weights" }, { title: "Memory", n: true }, { title: "Context", n: true }, { title: "Runs on" }, { title: "Licence" }, { title: "Digest" }]}
          rows={list.map((one) => ({ key: one.id, cells: [<>{one.id}{one.aliases?.map((alias) => <span class="faint alias" key={alias}>{alias}</span>)}</>, <ModelState model={one} />, short(one.n_params), one.quantisation, bytes(one.bytes), count(one.context_length),
            one.device ?? "", one.licence ?? "", <code title={one.digest}>{one.digest.slice(0, 12)}</code>] }))} />)}</Waiting>
    </>
  );
}

const PAGE = 20;
export function Audit(): VNode {
  const tenants = useLoaded<{ data: Tenant[] }>("/tenants");
  const nameOf = (id: string): string => tenants.data.value?.data.find((one) => one.id === id)?.name ?? id;
  const tenant = useSignal("");
  const first = useLoaded<{ data: AuditEntry[]; has_more: boolean }>(`/audit?limit=${PAGE}${tenant.value ? `&tenant=${encodeURIComponent(tenant.value)}` : ""}`);
  const more = useSignal<AuditEntry[]>([]);
  const hasMore = useSignal<boolean | null>(null);
  const verdict = useSignal<{ tone: "good" | "bad"; title: string; text: string } | null>(null);
  const busy = useSignal(false);
  useEffect(() => { more.value = []; hasMore.value = null; verdict.value = null; }, [tenant.value]);
  const entries = [...(first.data.value?.data ?? []), ...more.value];

  const older = async (): Promise<void> => {
    const page = await get<{ data: AuditEntry[]; has_more: boolean }>(`/admin/audit?limit=${PAGE}&before=${entries.at(-1)!.seq}${tenant.value ? `&tenant=${encodeURIComponent(tenant.value)}` : ""}`);
    more.value = [...more.value, ...page.data];
    hasMore.value = page.has_more;
  };
  const check = async (): Promise<void> => {
    busy.value = true;
    try {
      const result = await post<{ ok: boolean; checked: number; bad_seq?: number; message?: string }>("/admin/audit/verify", tenant.value ? { tenant: tenant.value } : {});
      verdict.value = result.ok
        ? { tone: "good", title: "The log is whole.", text: `${count(result.checked)} entries were checked, each against the one before it.` }
        : { tone: "bad", title: result.bad_seq === undefined ? "The log is damaged." : `Entry ${count(result.bad_seq)} does not fit.`, text: result.message ?? "What follows it cannot be trusted. Compare with a backup." };
    } catch (error) {
      verdict.value = { tone: "bad", title: "The check did not finish.", text: reason(error) };
    }
    busy.value = false;
    say(verdict.value.title);
  };
  return (
    <>
      <Head title="Audit" text="Who changed what. Each entry carries a hash of the one before it, so a change or a gap shows.">
        <button type="button" class="btn main" disabled={busy.value} onClick={() => void check()}><Icon name="shield" />{busy.value ? "Checking" : "Verify"}</button>
      </Head>
      {verdict.value && <Notice tone={verdict.value.tone} icon={verdict.value.tone === "good" ? "check" : "alert"} title={verdict.value.title}>{verdict.value.text}</Notice>}
      <form class="filters" aria-label="Filter" onSubmit={(event) => event.preventDefault()}>
        <label class="field">Tenant<select class="select" value={tenant.value} onChange={(event) => { tenant.value = event.currentTarget.value; }}>
          <option value="">All</option>{tenants.data.value?.data.map((one) => <option value={one.id} key={one.id}>{one.name}</option>)}</select></label>
      </form>
      <Waiting of={first}>{entries.length === 0 ? <div class="empty"><h2>No entries</h2><p class="dim">Sign-ins and changes are written here.</p></div> : <>
        <Table caption="Audit log" hover columns={[{ title: "Entry" }, { title: "When" }, { title: "Tenant" }, { title: "Who" }, { title: "Did" }, { title: "To" }, { title: "Detail" }, { title: "Hash" }]}
          rows={entries.map((one) => ({ key: `${one.tenant}:${one.seq}`, cells: [count(one.seq), dateTime(one.t), <span class="detail" title={one.tenant}>{nameOf(one.tenant)}</span>, <span class="detail">{one.actor}</span>, <code>{one.action}</code>, <span class="detail">{one.object}</span>, <span class="detail">{one.detail ?? ""}</span>, <code title={one.hash}>{one.hash.slice(0, 12)}</code>] }))} />
        {(hasMore.value ?? first.data.value?.has_more) && <p class="note"><button type="button" class="btn sm" onClick={() => void older()}>Show older</button></p>}
      </>}</Waiting>
    </>
  );
}

export function SystemPage(): VNode {
  const loaded = useLoaded<SystemData>("/system", 10_000);
  const data = loaded.data.value;
  const icon = { good: "check", warn: "wait", bad: "alert" } as const;
  const word = { good: "Good", warn: "Look at it", bad: "Failed" };
  return (
    <>
      <Head title="System" text="What runs here, with what settings, and whether its parts are well." />
      <Waiting of={loaded}>{data && <>
        <dl class="facts"><dt>Version</dt><dd>{data.version}{data.commit && <> <code>{data.commit}</code></>}</dd><dt>Started</dt><dd class="num">{dateTime(data.started_at)}, {span(data.uptime_s)} ago</dd></dl>
        <Block title="Checks"><Table caption="Checks" columns={[{ title: "Part" }, { title: "State" }, { title: "Detail" }]}
          rows={data.checks.map((one) => ({ key: one.name, cells: [one.name, <Tag tone={one.state} icon={icon[one.state]}>{word[one.state]}</Tag>, one.detail] }))} /></Block>
        <Block title="Settings" text="As they are in use, and where each comes from. Secrets are not shown."><Table caption="Settings" hover columns={[{ title: "Name" }, { title: "Value" }, { title: "From" }]}
          rows={data.config.map((one) => ({ key: one.name, cells: [<code>{one.name}</code>, <code>{one.value}</code>, one.origin] }))} /></Block>
      </>}</Waiting>
    </>
  );
}
