// Tenants with their quotas, and the keys of the one that is chosen. A secret is shown once.
import { useSignal } from "@preact/signals";
import type { ComponentChildren, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { patch, post, reason, remove } from "../lib/api";
import { count, percent, plural, relative, short } from "../lib/format";
import { Bar, closeDialog, CopyButton, Dialog, Icon, Notice, showToast, Tag } from "../ui";
import { Table } from "./chart";
import { Block, Head, useLoaded, Waiting } from "./parts";
import type { Key, Quota, Tenant, UsageRow } from "./types";
import { Kinds, UsageChart } from "./usage";

const SCOPES: [scope: string, what: string, usual: boolean][] = [["inference", "Chat and embeddings", true], ["files", "Files and batches", true], ["feedback", "Feedback", true], ["usage.read", "Read usage", true],
  ["audit.read", "Read the audit log", false], ["tenant.admin", "Keys of its tenant", false], ["metrics", "Metrics", false], ["admin", "Everything", false]];
const DAY = 86400e3;

function Part({ used, most, format }: { used: number; most: number | null | undefined; format: (n: number) => string }): VNode {
  const part = most ? used / most : 0;
  return (
    <div class="quota"><span class="num"><span>{format(used)}</span><span class="faint">{most ? `of ${format(most)}` : "no limit"}</span></span>
      <Bar part={most ? part : 0} tone={part >= 1 ? "bad" : part >= 0.9 ? "warn" : ""} label={most ? `${percent(part)} used` : "No limit"} /></div>
  );
}

function State({ tenant }: { tenant: Tenant }): VNode {
  const { quota, used } = tenant;
  if (tenant.state === "suspended") return <Tag icon="off">Suspended</Tag>;
  const parts = [quota.requests_per_minute ? used.requests_this_minute / quota.requests_per_minute : 0, quota.tokens_per_day ? used.tokens_today / quota.tokens_per_day : 0, quota.kv_share_percent ? used.kv_share_percent / quota.kv_share_percent : 0];
  const most = Math.max(...parts);
  return most >= 1 ? <Tag tone="bad" icon="x">Over quota</Tag> : most >= 0.9 ? <Tag tone="warn" icon="wait">Near its limit</Tag> : <Tag tone="good" icon="check">Active</Tag>;
}

export function TenantsAndKeys(): VNode {
  const tenants = useLoaded<{ data: Tenant[] }>("/tenants", 10_000);
  const chosen = useSignal("");
  const editing = useSignal<Tenant | "new" | null>(null);
  const list = tenants.data.value?.data ?? [];
  const tenant = list.find((one) => one.id === chosen.value) ?? list[0];
  return (
    <>
      <Head title="Tenants and keys" text="Every block, record and metric belongs to one tenant. What one sends is never cached for, counted to or shown to another.">
        <button type="button" class="btn" onClick={() => { editing.value = "new"; }}><Icon name="plus" />Tenant</button>
      </Head>
      <Waiting of={tenants}>
        <Table caption="Tenants" hover selected={tenant?.id} columns={[{ title: "Tenant" }, { title: "Keys", n: true }, { title: "Requests a minute" }, { title: "Tokens today" }, { title: "KV share" }, { title: "State" }]}
          rows={list.map((one) => ({ key: one.id, cells: [
            <button type="button" class="link" aria-current={one === tenant ? "true" : undefined} onClick={() => { chosen.value = one.id; }}>{one.name}</button>, count(one.n_keys),
            <Part used={one.used.requests_this_minute} most={one.quota.requests_per_minute} format={count} />, <Part used={one.used.tokens_today} most={one.quota.tokens_per_day} format={short} />,
            <Part used={one.used.kv_share_percent} most={one.quota.kv_share_percent} format={(n) => `${count(n)} %`} />, <State tenant={one} />] }))} />
        {tenant && <Keys key={tenant.id} tenant={tenant} edit={() => { editing.value = tenant; }} changed={() => void tenants.reload()} />}
      </Waiting>
      {editing.value && <TenantDialog tenant={editing.value === "new" ? null : editing.value} close={() => { editing.value = null; }} done={(one) => { chosen.value = one.id; void tenants.reload(); }} />}
    </>
  );
}

function Expires({ entry }: { entry: Key }): VNode {
  if (entry.revoked_at) return <Tag icon="off">revoked</Tag>;
  if (entry.expires_at === null) return <>never</>;
  const left = entry.expires_at - Date.now();
  if (left <= 0) return <Tag icon="off">expired</Tag>;
  return left < 7 * DAY ? <Tag tone="warn" icon="clock">{relative(entry.expires_at)}</Tag> : <>{relative(entry.expires_at)}</>;
}

function Keys({ tenant, edit, changed }: { tenant: Tenant; edit: () => void; changed: () => void }): VNode {
  const keys = useLoaded<{ data: Key[] }>(`/keys?tenant=${encodeURIComponent(tenant.id)}`);
  const usage = useLoaded<{ data: UsageRow[]; total: UsageRow }>(`/usage?group=day&tenant=${encodeURIComponent(tenant.id)}&from=${new Date(Date.now() - 27 * DAY).toISOString().slice(0, 10)}&to=${new Date().toISOString().slice(0, 10)}`);
  const secret = useSignal<Key | null>(null);
  const dialog = useSignal<{ kind: "new" } | { kind: "rotate" | "revoke"; key: Key } | null>(null);
  const list = keys.data.value?.data ?? [];
  const soon = list.filter((one) => !one.revoked_at && one.expires_at !== null && one.expires_at > Date.now() && one.expires_at - Date.now() < 7 * DAY).length;
  const refresh = (): void => { void keys.reload(); changed(); };
  const got = (key: Key): void => { secret.value = key; refresh(); };
  return (
    <>
      <Block title={tenant.name} text={`${plural(list.filter((one) => !one.revoked_at).length, "key")}${soon ? `, ${soon} expiring within a week` : ""}`} action={<>
        <button type="button" class="btn sm" onClick={edit}>Quotas</button><button type="button" class="btn sm" onClick={() => { dialog.value = { kind: "new" }; }}><Icon name="key" />New key</button></>}>
        {secret.value && <Secret entry={secret.value} done={() => { secret.value = null; }} />}
        <Waiting of={keys}>{list.length === 0 ? <div class="empty"><p class="dim">No keys yet. A key lets one program or person in.</p></div> : (
          <Table caption={`Keys of ${tenant.name}`} hover columns={[{ title: "Name" }, { title: "Starts with" }, { title: "May" }, { title: "Limit" }, { title: "Content kept" }, { title: "Last used" }, { title: "Expires" }, { title: "Actions" }]}
            rows={list.map((one) => ({ key: one.id, cells: [one.name, <code>{one.prefix}</code>, one.scopes.join(", ") + (one.models.length ? `; ${one.models.join(", ")}` : ""),
              <span class="nowrap">{one.quota?.tokens_per_day ? `${short(one.quota.tokens_per_day)} a day` : "as tenant"}</span>, one.consent ? "Yes" : "No", <span class="nowrap">{one.last_used_at ? relative(one.last_used_at) : "never"}</span>, <Expires entry={one} />,
              one.revoked_at ? "" : <span class="acts-cell"><button type="button" class="btn quiet sm" onClick={() => { dialog.value = { kind: "rotate", key: one }; }} aria-label={`Rotate ${one.name}`}>Rotate</button>
                <button type="button" class="btn quiet sm" onClick={() => { dialog.value = { kind: "revoke", key: one }; }} aria-label={`Revoke ${one.name}`}>Revoke</button></span>] }))} />)}</Waiting>
      </Block>
      <Block title={`Usage of ${tenant.name}`} text="Tokens a day, last four weeks">
        <Waiting of={usage}>{usage.data.value && usage.data.value.data.length > 0
          ? <div class="chart-table"><UsageChart rows={usage.data.value.data} what={`Usage of ${tenant.name}`} /><Kinds total={usage.data.value.total} caption={`Usage of ${tenant.name} by kind`} /></div>
          : <p class="dim">No requests in the last four weeks.</p>}</Waiting>
      </Block>
      {dialog.value?.kind === "new" && <KeyDialog tenant={tenant} close={() => { dialog.value = null; }} done={got} />}
      {dialog.value?.kind === "rotate" && <Rotate entry={dialog.value.key} close={() => { dialog.value = null; }} done={got} />}
      {dialog.value?.kind === "revoke" && <Revoke entry={dialog.value.key} close={() => { dialog.value = null; }} done={refresh} />}
    </>
  );
}

function Secret({ entry, done }: { entry: Key; done: () => void }): VNode {
  const stored = useSignal(false);
  const ref = useRef<HTMLDivElement>(null);
  useEffect(() => ref.current?.querySelector<HTMLElement>("h3")?.focus(), [entry]);
  return (
    <div class="secret" role="group" aria-labelledby="once" ref={ref}>
      <div><h3 id="once" tabIndex={-1}>Copy this key now. It is shown only once.</h3><p class="small dim">We keep a keyed hash, so nobody can read it back. If it is lost, make a new one and revoke this.</p></div>
      <div class="once"><output>{entry.secret}</output><CopyButton text={entry.secret ?? ""} label="Copy key" class="main-copy" /></div>
      <dl class="facts"><dt>Name</dt><dd>{entry.name}</dd><dt>May</dt><dd>{entry.scopes.join(", ")}; {entry.models.length ? `models ${entry.models.join(", ")}` : "all models"}</dd>
        <dt>Content kept</dt><dd>{entry.consent ? "yes, for improvement" : "no"}</dd>
        <dt>Expires</dt><dd class="num">{entry.expires_at ? relative(entry.expires_at) : "never"}</dd></dl>
      <div class="row"><label class="row small check"><input type="checkbox" checked={stored.value} onChange={(event) => { stored.value = event.currentTarget.checked; }} />I have stored it</label>
        <button type="button" class="btn sm push" disabled={!stored.value} onClick={done}>Done</button></div>
    </div>
  );
}

/** A dialog that sends something: the button waits, an error stays in it. What `send` returns runs when it is closed and may move the focus. */
function Sender({ title, button, danger = false, send, close, children }: { title: string; button: string; danger?: boolean; send: (form: FormData) => Promise<() => void>; close: () => void; children: ComponentChildren }): VNode {
  const problem = useSignal("");
  const busy = useSignal(false);
  return (
    <Dialog title={title} onClose={close}>
      <form class="stack" onSubmit={async (event) => {
        event.preventDefault();
        const form = event.currentTarget;
        busy.value = true;
        try {
          const then = await send(new FormData(form));
          form.closest("dialog")?.close();
          then();
        } catch (error) {
          problem.value = reason(error);
        }
        busy.value = false;
      }}>
        {children}
        {problem.value && <Notice tone="bad" icon="alert" title={problem.value} alert />}
        <div class="row"><button type="button" class="btn push" onClick={closeDialog}>Cancel</button><button class={danger ? "btn danger" : "btn main"} disabled={busy.value}>{button}</button></div>
      </form>
    </Dialog>
  );
}

const number = (form: FormData, name: string): number | null => {
  const text = String(form.get(name) ?? "").trim();
  return text === "" ? null : Number(text);
};
const quotaOf = (form: FormData): Quota => ({ requests_per_minute: number(form, "rpm"), tokens_per_day: number(form, "tpd"), concurrency: number(form, "concurrency"), kv_share_percent: number(form, "kv") });

function QuotaFields({ quota }: { quota: Quota }): VNode {
  return (
    <div class="fields">
      <label class="field">Requests a minute<input class="input num" name="rpm" type="number" min={0} step={1} placeholder="no limit" defaultValue={quota.requests_per_minute ?? undefined} /></label>
      <label class="field">Tokens a day<input class="input num" name="tpd" type="number" min={0} step={1} placeholder="no limit" defaultValue={quota.tokens_per_day ?? undefined} /></label>
      <label class="field">At once<input class="input num" name="concurrency" type="number" min={0} step={1} placeholder="no limit" defaultValue={quota.concurrency ?? undefined} /></label>
      <label class="field">KV share, %<input class="input num" name="kv" type="number" min={1} max={100} step={1} placeholder="no limit" defaultValue={quota.kv_share_percent ?? undefined} /></label>
    </div>
  );
}

function TenantDialog({ tenant, close, done }: { tenant: Tenant | null; close: () => void; done: (tenant: Tenant) => void }): VNode {
  return (
    <Sender title={tenant ? `Quotas of ${tenant.name}` : "New tenant"} button={tenant ? "Save" : "Make tenant"} close={close} send={async (form) => {
      const fields = { quota: { ...tenant?.quota, ...quotaOf(form) }, ...(tenant ? { state: form.get("suspended") ? "suspended" : "active" } : { name: String(form.get("name")).trim() }) };
      const saved = tenant ? await patch<Tenant>(`/admin/tenants/${tenant.id}`, fields) : await post<Tenant>("/admin/tenants", fields);
      return () => done(saved);
    }}>
      {!tenant && <label class="field">Name<input class="input" name="name" required maxLength={60} pattern="[a-z0-9][a-z0-9\-]*" title="Small letters, digits and hyphens" autofocus /></label>}
      <QuotaFields quota={tenant?.quota ?? {}} />
      {tenant && <label class="row check small"><input type="checkbox" name="suspended" defaultChecked={tenant.state === "suspended"} />Suspended: every key of it is refused</label>}
    </Sender>
  );
}

function KeyDialog({ tenant, close, done }: { tenant: Tenant; close: () => void; done: (key: Key) => void }): VNode {
  return (
    <Sender title={`New key of ${tenant.name}`} button="Make key" close={close} send={async (form) => {
      const days = number(form, "days");
      const scopes = form.getAll("scope").map(String);
      if (scopes.length === 0) throw new Error("A key that may do nothing is of no use: choose at least one.");
      const models = String(form.get("models")).split(/[\s,]+/).filter(Boolean);
      const made = await post<Key>(`/admin/keys?tenant=${encodeURIComponent(tenant.id)}`, { name: String(form.get("name")).trim(), scopes, models, expires_at: days ? Date.now() + days * DAY : null, quota: { tokens_per_day: number(form, "tpd") }, consent: form.get("consent") !== null });
      return () => done(made);
    }}>
      <label class="field">Name<input class="input" name="name" required maxLength={80} placeholder="what uses it, and where" autofocus /></label>
      <fieldset class="stack"><legend class="small dim">It may</legend><div class="fields tight">{SCOPES.map(([scope, what, usual]) => <label class="row check small" key={scope}><input type="checkbox" name="scope" value={scope} defaultChecked={usual} />{what}</label>)}</div></fieldset>
      <div class="fields">
        <label class="field">Expires after, days<input class="input num" name="days" type="number" min={1} max={3650} step={1} placeholder="never" defaultValue={90} /></label>
        <label class="field">Tokens a day<input class="input num" name="tpd" type="number" min={0} step={1} placeholder="as the tenant" /></label>
      </div>
      <label class="field">Models<input class="input" name="models" placeholder="all" /></label>
      <label class="row check small"><input type="checkbox" name="consent" />What it sends may be kept for improvement</label>
    </Sender>
  );
}

function Rotate({ entry, close, done }: { entry: Key; close: () => void; done: (key: Key) => void }): VNode {
  return (
    <Sender title={`Rotate ${entry.name}`} button="Rotate" close={close} send={async (form) => {
      const made = await post<Key>(`/admin/keys/${entry.id}/rotate`, { overlap_s: Number(form.get("overlap")) });
      return () => done(made);
    }}>
      <p>A new key with the same rights is made and shown once.</p>
      <label class="field">The old one goes on for<select class="select" name="overlap"><option value="0">no time, it ends now</option><option value="3600">1 hour</option><option value="86400">1 day</option><option value="604800" selected>7 days</option></select></label>
    </Sender>
  );
}

function Revoke({ entry, close, done }: { entry: Key; close: () => void; done: () => void }): VNode {
  return (
    <Sender title={`Revoke ${entry.name}?`} button="Revoke" danger close={close} send={async () => {
      await remove(`/admin/keys/${entry.id}`);
      return () => {
        showToast({ text: `${entry.name} is revoked` });
        done();
      };
    }}>
      <p>What uses it is refused at once. {entry.last_used_at ? `It was used ${relative(entry.last_used_at)}.` : "It was never used."} This cannot be undone; a new key can be made.</p>
    </Sender>
  );
}

