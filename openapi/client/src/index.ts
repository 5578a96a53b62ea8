import { check, limited, patiently, pause } from "./patience.js";
import { Problem } from "./problem.js";
import { CALLS, type components, type operations, type ProblemCode } from "./schema.js";

export { Problem, type ProblemCode };
/** Everything that is sent and answered, by its name in the API description. */
export type Schemas = components["schemas"];
export type Return = Schemas["Return"];

export interface Settings {
  /**
   * Where the session id is kept. "cookie", where scripts cannot see it: browsers on the service's own site.
   * "bearer", in `token`: apps, partners, pages of other sites. Node keeps no cookies.
   */
  session?: "cookie" | "bearer";
  /** Sent with every call, such as X-Partner-Key. */
  headers?: Record<string, string>;
  fetch?: typeof fetch;
}

export interface Options {
  signal?: AbortSignal | undefined;
}

export interface Waiting extends Options {
  /** Seconds, 55 at most, for which the service may hold the answer until there is news. */
  wait?: number;
}

type Name = keyof typeof CALLS;
type Query<N extends Name> = NonNullable<operations[N]["parameters"]["query"]>;
type Body<N extends Name> = Omit<
  NonNullable<operations[N]["requestBody"]> extends { content: { "application/json": infer B } } ? B : never,
  "token_delivery"
>;
type Answer<N extends Name> = {
  [S in 200 | 201 | 202]: operations[N]["responses"] extends Record<S, { content: { "application/json": infer A } }>
    ? A
    : never;
}[200 | 201 | 202];

interface Sent extends Waiting {
  path?: Record<string, string | number>;
  query?: object;
  json?: unknown;
  form?: FormData;
  headers?: Record<string, string>;
  /** Until the answer has to be there, besides `wait`; 0 for as long as it takes. */
  seconds?: number;
}

const HELD_SECONDS = 55;
const ANSWER_SECONDS = 60;
/** Where it is missing, as in React Native, an answer arrives whole or not at all. */
const canStream = () =>
  typeof TextDecoderStream !== "undefined" && typeof ReadableStream !== "undefined";

/** The service's calls by their names in the API description. Each throws a `Problem`, or the reason of its signal. */
export class ReturnPortal implements Record<Name, (...input: never[]) => unknown> {
  /** The bearer session; set it to go on with one. */
  token: string | undefined;
  readonly #base: string;
  readonly #settings: Settings;

  /** @param base Where the service is, such as "https://returns.example"; "" for the page's own origin. */
  constructor(base: string, settings: Settings = {}) {
    this.#base = base.replace(/\/$/, "");
    this.#settings = settings;
  }

  getPortal = (brand: string, query: Query<"getPortal"> = {}, options?: Options) =>
    this.#json("getPortal", { path: { brand }, query, ...options });

  /** Looks a parcel up; the session is this client's from here on. */
  createSession = (brand: string, json: Body<"createSession">, options?: Options) =>
    this.#started("createSession", { path: { brand }, json, ...options });
  getSession = (options?: Options) => this.#json("getSession", { ...options });
  deleteSession = (options?: Options) =>
    this.#send("deleteSession", { ...options }, async () => { this.token = undefined; });

  createHandoff = (json: Body<"createHandoff"> = {}, options?: Options) =>
    this.#json("createHandoff", { json, ...options });
  /** Goes on with the session of another device. */
  redeemHandoff = (token: string, options?: Options) => this.#started("redeemHandoff", { json: { token }, ...options });

  findServicePoints = (query: Query<"findServicePoints"> = {}, options?: Options) =>
    this.#json("findServicePoints", { query, ...options });
  getServicePoint = (id: number, options?: Options) =>
    this.#json("getServicePoint", { path: { service_point_id: id }, ...options });

  previewReturn = (json: Body<"previewReturn">, options?: Options) => this.#json("previewReturn", { json, ...options });
  /**
   * Creates the return, once for each key: make one (`crypto.randomUUID()`) when the form opens, for all attempts of
   * that form. Repeats the request by itself where the service says that nothing can come twice. On
   * "return-outcome-unknown" do not create another one: show `getReturn(problem.returnId)`.
   */
  createReturn = (json: Body<"createReturn">, key: string, options?: Options) =>
    patiently(
      () => this.#json("createReturn", { json, headers: { "Idempotency-Key": key }, ...options }),
      ({ code, status, retryAfter }) => retryAfter !== undefined && (code === "return-in-progress" || status === 503),
      options?.signal,
    );
  /** Stores pictures and answers, in their order, what `photos` of a return names. */
  uploadPhotos = (photos: readonly Blob[], options?: Options) =>
    this.#json("uploadPhotos", { form: formOf(photos), seconds: 0, ...options });

  getReturn = (id: string, options?: Waiting) => this.#json("getReturn", { path: { return_id: id }, ...options });
  /** The PDF, whole: one that breaks off is the problem "incomplete", and worth asking for again. */
  getLabel = (id: string, options?: Waiting) => this.#document("getLabel", { path: { return_id: id }, ...options });
  getCustomsDeclaration = (id: string, options?: Options) =>
    this.#document("getCustomsDeclaration", { path: { return_id: id }, ...options });

  /** For a shop's own system, with its key among the `headers` of the settings. */
  getShopReturn = (brand: string, id: string, options?: Options) =>
    this.#json("getShopReturn", { path: { brand, return_id: id }, ...options });
  getParcelUnits = (brand: string, id: string, options?: Options) =>
    this.#json("getParcelUnits", { path: { brand, return_id: id }, ...options });
  resolveReturn = (brand: string, id: string, json: Body<"resolveReturn">, options?: Options) =>
    this.#json("resolveReturn", { path: { brand, return_id: id }, json, ...options });
  eraseReturn = (brand: string, id: string, options?: Options) =>
    this.#json("eraseReturn", { path: { brand, return_id: id }, ...options });
  findReturnsOfOrder = (brand: string, json: Body<"findReturnsOfOrder">, options?: Options) =>
    this.#json("findReturnsOfOrder", { path: { brand }, json, ...options });
  eraseReturnsOfOrder = (brand: string, json: Body<"eraseReturnsOfOrder">, options?: Options) =>
    this.#json("eraseReturnsOfOrder", { path: { brand }, json, ...options });
  getDeadEvents = (brand: string, options?: Options) => this.#json("getDeadEvents", { path: { brand }, ...options });
  resendDeadEvents = (brand: string, options?: Options) =>
    this.#json("resendDeadEvents", { path: { brand }, ...options });

  /** For the shipping service, with its signature among the `headers`. */
  takeUpstreamEvent = (brand: string, json: Body<"takeUpstreamEvent">, options?: Options) =>
    this.#json("takeUpstreamEvent", { path: { brand }, json, ...options });

  getLiveness = (options?: Options) => this.#json("getLiveness", { ...options });
  getReadiness = (options?: Options) => this.#json("getReadiness", { ...options });
  getProblem = (code: ProblemCode, options?: Options) => this.#json("getProblem", { path: { code }, ...options });

  /** The return as it is now, and each change of it, until the answer ends: with its last state, or for a restart. */
  async *watchReturn(id: string, { seen, ...options }: Options & { seen?: number } = {}): AsyncGenerator<Return> {
    if (!canStream()) return yield* this.#held(id, seen, options.signal);
    const headers = { "Last-Event-ID": String(seen ?? 0) };
    const sent = { path: { return_id: id }, headers, seconds: 0, ...options };
    const response = await this.#send("watchReturn", sent, async (begun) => begun);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    try {
      for (let rest = ""; reader; ) {
        const { done, value } = await whole(reader.read(), options.signal);
        if (done) return;
        const events = (rest + value).split("\n\n");
        rest = events.pop() ?? "";
        for (const [, data] of events.map((event) => /^data: (.*)$/m.exec(event) ?? [])) {
          if (data) yield JSON.parse(data) as Return;
        }
      }
    } finally {
      await reader?.cancel().catch(() => {});
    }
  }

  /**
   * The return once nothing more will come by itself: see its `state`. One that awaits payment is waited for as well,
   * so show `payment_url` from `onChange`, which is told how the return stands now and then each change.
   */
  async waitForLabel(id: string, { onChange, signal }: Options & { onChange?: (now: Return) => void } = {}) {
    for (let seen: Return | undefined; ; ) {
      const wait = seen ? HELD_SECONDS : 0;
      const now = await patiently(() => this.getReturn(id, { wait, signal }), (problem) => problem.retryable, signal);
      const isNews = now.revision !== seen?.revision;
      if (isNews) onChange?.(now);
      if (now.retry_after === null) return now;
      // Held to its end, or let go early by a service that restarts.
      if (!isNews) await pause(now.retry_after, signal);
      seen = now;
    }
  }

  /** The same by held requests. */
  async *#held(id: string, seen: number | undefined, signal: AbortSignal | undefined): AsyncGenerator<Return> {
    for (let known = seen; ; ) {
      const now = await this.getReturn(id, { wait: known === undefined ? 0 : HELD_SECONDS, signal });
      if (now.revision !== known) yield now;
      if (now.retry_after === null) return;
      if (now.revision === known) await pause(now.retry_after, signal);
      known = now.revision;
    }
  }

  async #started(name: "createSession" | "redeemHandoff", sent: Sent & { json: object }) {
    const token_delivery = this.#settings.session === "bearer" ? "body" : "cookie";
    const screen = await this.#json(name, { ...sent, json: { ...sent.json, token_delivery } });
    this.token = screen.session_token ?? undefined;
    return screen;
  }

  #json<N extends Name>(name: N, sent: Sent): Promise<Answer<N>> {
    return this.#send(name, sent, async (response) => (await whole(response.json(), sent.signal)) as Answer<N>);
  }

  #document(name: Name, sent: Sent): Promise<Blob> {
    return this.#send(name, sent, async (response) => {
      const blob = await whole(response.blob(), sent.signal);
      // Not every browser reports it by itself. A gateway may have compressed it, so more is no error.
      if (blob.size < Number(response.headers.get("Content-Length"))) throw new Problem(INCOMPLETE);
      return blob;
    });
  }

  async #send<T>(name: Name, sent: Sent, read: (response: Response) => Promise<T>): Promise<T> {
    const seconds = sent.seconds ?? ANSWER_SECONDS + (sent.wait ?? 0);
    const call = async (limit: AbortSignal | undefined) => read(await this.#answered(name, sent, limit));
    return seconds ? limited(call, seconds, sent.signal) : call(sent.signal);
  }

  async #answered(
    name: Name,
    { path = {}, query = {}, json, form, signal, ...sent }: Sent,
    limit: AbortSignal | undefined,
  ): Promise<Response> {
    const [method, template] = CALLS[name];
    const place = template.replace(/\{(\w+)\}/g, (_, part: string) => encodeURIComponent(path[part] ?? ""));
    const asked = Object.entries(query).filter(([, value]) => value !== undefined && value !== null);
    const search = asked.length ? `?${new URLSearchParams(asked.map(([key, value]) => [key, String(value)]))}` : "";
    const headers = new Headers({ ...this.#settings.headers, ...sent.headers });
    if (this.token) headers.set("Authorization", `Bearer ${this.token}`);
    if (sent.wait) headers.set("Prefer", `wait=${sent.wait}`);
    if (json) headers.set("Content-Type", "application/json");
    const response = await (this.#settings.fetch ?? fetch)(this.#base + place + search, {
      method,
      headers,
      body: json ? JSON.stringify(json) : (form ?? null),
      credentials: this.#settings.session === "bearer" ? "omit" : "include",
      signal: limit ?? null,
    }).catch(() => {
      check(signal);
      throw new Problem({});
    });
    if (!response.ok) throw await Problem.in(response);
    return response;
  }
}

function formOf(photos: readonly Blob[]): FormData {
  const filled = new FormData();
  photos.forEach((photo, place) => filled.append(String(place), photo));
  return filled;
}

const INCOMPLETE = { code: "incomplete", title: "The answer broke off" };

async function whole<T>(reading: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return reading.catch(() => {
    check(signal);
    throw new Problem(INCOMPLETE);
  });
}
