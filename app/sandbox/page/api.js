// The BFF as a shop's own front end calls it: same origin, the session in a cookie that scripts cannot see.

/** A problem document (RFC 9457), or what stands in for one where the service could not be reached. */
export class Problem extends Error {
  constructor(document, retryAfter = null, location = null) {
    super(document.title);
    Object.assign(this, { ...document, retryAfter, location });
  }
}

async function call(method, path, { json, form, headers = {} } = {}) {
  const options = { method, headers: { Accept: "application/json", ...headers } };
  if (json !== undefined) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(json);
  }
  if (form) options.body = form;
  const response = await fetch(path, options).catch(() => { throw new Problem(UNREACHABLE); });
  if (response.status === 204) return null;
  const body = await response.json().catch(() => UNREACHABLE);
  if (response.ok) return body;
  const seconds = Number(response.headers.get("Retry-After"));
  throw new Problem(body, seconds || null, response.headers.get("Location"));
}

const UNREACHABLE = { code: "unreachable", title: "No answer", retryable: true, errors: [] };

export const portal = (brand, language) => call("GET", `/v1/brands/${brand}/portal?language=${language}`);
export const lookUp = (brand, wanted) => call("POST", `/v1/brands/${brand}/sessions`, { json: wanted });
export const resume = () => call("GET", "/v1/session");
export const end = () => call("DELETE", "/v1/session");
export const servicePoints = (query) => call("GET", `/v1/service-points?${new URLSearchParams(query)}`);
export const preview = (wanted) => call("POST", "/v1/returns/preview", { json: wanted });
export const getReturn = (id) => call("GET", `/v1/returns/${id}`);
export const handOff = (page) => call("POST", "/v1/session/handoff", { json: { page } });
export const redeem = (token) => call("POST", "/v1/handoffs", { json: { token } });

/** The key is made when the shopper opens the review and sent again with every retry: no click repeats a return. */
export const create = (wanted, key) => call("POST", "/v1/returns", { json: wanted, headers: { "Idempotency-Key": key } });

export async function upload(file) {
  const form = new FormData();
  form.append("photo", file);
  return (await call("POST", "/v1/uploads", { form })).uploads[0].file;
}

/** Tells each state of a return until the last one; the browser reconnects by itself. Answers how to stop. */
export function watch(id, told) {
  const events = new EventSource(`/v1/returns/${id}/events`);
  events.addEventListener("return", (event) => {
    const found = JSON.parse(event.data);
    if (FINAL.has(found.state)) events.close();
    told(found);
  });
  // After the last state the service answers 204, which ends the reconnecting; anything else is asked about once.
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) getReturn(id).then(told, () => {});
  });
  return () => events.close();
}

export const FINAL = new Set(["label_ready", "no_label_needed", "accepted", "label_lost", "failed"]);
