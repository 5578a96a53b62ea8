// A front end that uses the client, case by case: node dist/cases.js CASE URL ORDER prints what it saw as JSON.
import { Problem, ReturnPortal, type Return, type Schemas } from "@return-portal-bff/client";

declare const process: { argv: string[] };
const [name = "", url = "", order = ""] = process.argv.slice(2);

let requests = 0;
/** What comes before the answers of the service. */
const first: (Response | Error)[] = [];
const counting: typeof fetch = (...asked) => {
  requests += 1;
  const scripted = first.shift();
  if (scripted instanceof Error) return Promise.reject(scripted);
  return scripted ? Promise.resolve(scripted) : fetch(...asked);
};
const client = new ReturnPortal(url, { session: "bearer", fetch: counting });
const key = () => `a-return-of-this-test-${Math.random()}`;
const lookUp = () => client.createSession("demo", { identifier: order, postal_code: "5611 AA" });

function chosen(screen: Schemas["SessionAnswer"]): Schemas["NewReturn"] {
  const [item, reason, refund] = [screen.items[0], screen.options.reasons[0], screen.options.refund_options[0]];
  if (!item || !reason || !refund || !screen.drop_off.nearest) throw new Error("nothing to choose from");
  return {
    items: [{ id: item.id, quantity: 1, reason: reason.id }],
    refund: { type: refund.code },
    delivery: { option: "drop_off_point", service_point: screen.drop_off.nearest.id },
  };
}

const created = async () => client.createReturn(chosen(await lookUp()), key());

/** What is told of a problem; anything else is a fault of the case. */
const problem = async (call: Promise<unknown>) => {
  const error = await call.then(() => new Error("no problem"), (caught: unknown) => caught);
  if (!(error instanceof Problem)) throw error;
  const { code, status, retryable, retryAfter, location, returnId, message, errors } = error;
  return { code, status, retryable, retryAfter, location, returnId, message, errors };
};

const cases: Record<string, () => Promise<unknown>> = {
  async journey() {
    const portal = await client.getPortal("demo", { language: "de" });
    const wanted = chosen(await lookUp());
    const points = await client.findServicePoints({ radius: 5000, limit: 3 });
    const point = await client.getServicePoint(points.service_points[0]?.id ?? 0);
    const preview = await client.previewReturn(wanted);
    const once = key();
    const made = await client.createReturn(wanted, once);
    const again = await client.createReturn(wanted, once);
    const states: string[] = [];
    const settled = await client.waitForLabel(made.id, { onChange: ({ state }) => states.push(state) });
    const label = await client.getLabel(made.id);
    const events: string[] = [];
    for await (const { state } of client.watchReturn(made.id)) events.push(state);
    const resumed = await client.getSession();
    await client.deleteSession();
    return {
      language: portal.language,
      available: point.available,
      valid: preview.valid,
      same: made.id === again.id,
      states,
      state: settled.state,
      events,
      label: await label.text(),
      returns: resumed.returns.length,
      after: await problem(client.getSession()),
    };
  },
  /** Node 18, Safari 15 and React Native lack these. */
  async withoutTheNewest() {
    Object.assign(AbortSignal, { any: undefined, timeout: undefined });
    Object.assign(globalThis, { TextDecoderStream: undefined });
    const { id } = await created();
    const states: string[] = [];
    for await (const { state } of client.watchReturn(id)) states.push(state);
    return { states, label: await (await client.getLabel(id)).text() };
  },
  async listeners() {
    const { signal } = new AbortController();
    let listening = 0;
    const addEventListener = () => { listening += 1; };
    const removeEventListener = () => { listening -= 1; };
    Object.assign(signal, { addEventListener, removeEventListener });
    first.push(Response.json({}), new Response("%PDF-"), new Response(null, { status: 204 }), Response.error());
    await client.getSession({ signal });
    await client.getLabel("rtn_1", { signal });
    await client.deleteSession({ signal });
    await problem(client.getSession({ signal }));
    return { listening, requests };
  },
  async problem() {
    return problem(lookUp());
  },
  async wrong() {
    const wanted = chosen(await lookUp());
    return problem(client.createReturn({ ...wanted, parcels: 0 }, key()));
  },
  async claimed() {
    const wanted = chosen(await lookUp());
    const { id } = await client.createReturn(wanted, key());
    return { id, problem: await problem(client.createReturn(wanted, key())) };
  },
  async sideBySide() {
    const [wanted, once] = [chosen(await lookUp()), key()];
    const made = await Promise.all([1, 2].map(() => client.createReturn(wanted, once)));
    return { ids: made.map(({ id }) => id), requests };
  },
  async unknown() {
    const wanted = chosen(await lookUp());
    requests = 0;
    const told = await problem(client.createReturn(wanted, key()));
    return { told, requests, shown: await client.getReturn(told.returnId ?? "") };
  },
  async busy() {
    const wanted = chosen(await lookUp());
    first.push(new Response("<html>", { status: 503, headers: { "Retry-After": "1" } }));
    const made = await client.createReturn(wanted, key());
    first.push(new Response("<html>", { status: 503 }));
    return { made, told: await problem(client.createReturn(wanted, key())) };
  },
  async interrupted() {
    const { id } = await created();
    first.push(new Response("<html>", { status: 502 }), new TypeError("no network"));
    return client.waitForLabel(id);
  },
  async aborted() {
    const { id } = await created();
    const [stop, since] = [new AbortController(), Date.now()];
    const seen: Return[] = [];
    const onChange = (now: Return) => seen.push(now) && setTimeout(() => stop.abort(), 100);
    const error = await client.waitForLabel(id, { signal: stop.signal, onChange }).catch((caught: Error) => caught.name);
    return { error, states: seen.map(({ state }) => state), early: Date.now() - since < 30_000 };
  },
  async label() {
    return problem(client.getLabel("rtn_1"));
  },
  async short() {
    first.push(new Response("%PDF-", { headers: { "Content-Length": "6" } }));
    return problem(client.getLabel("rtn_1"));
  },
  async photos() {
    await lookUp();
    return client.uploadPhotos([new Blob([Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 1)])]);
  },
};

/** What the compiler has to refuse. */
export const refused = () => [
  // @ts-expect-error  a member nobody knows
  client.createSession("demo", { identifier: order, zip: "5611 AA" }),
  // @ts-expect-error  no such way back
  client.previewReturn({ items: [], refund: { type: "money" }, delivery: { option: "drone" } }),
  // @ts-expect-error  a return has no such member
  client.getReturn(order).then((found) => found.status),
];

console.log(JSON.stringify(await cases[name]?.()));
