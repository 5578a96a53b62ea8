// The calls of the service. Every failure is a `Problem`.

import config from "./config.js";

const TOKEN = "return-session";

/** A problem document (RFC 9457), or one of our own where the service could not be reached. */
export class Problem extends Error {
  constructor(document, retryAfter = null, location = null) {
    super(document.title);
    Object.assign(this, { errors: [], ...document, retryAfter, location });
  }
}

const UNREACHABLE = { code: "unreachable", title: "No answer", retryable: true };

/** Codes of answers before which nothing was done, so that any request may be repeated without a word. */
const NOT_DONE = new Set(["overloaded", "shutting-down"]);

/** One request, repeated a few times while the service turns it away unread. */
async function request(path, options, tries = 3) {
  try {
    return await once(path, options);
  } catch (problem) {
    if (!NOT_DONE.has(problem.code) || tries === 1) throw problem;
    await new Promise((resolve) => setTimeout(resolve, (problem.retryAfter ?? 1) * 1000));
    return request(path, options, tries - 1);
  }
}

async function once(path, { method = "GET", json, form, headers = {}, language, signal } = {}) {
  const token = sessionStorage.getItem(TOKEN);
  const response = await fetch(config.api + path, {
    method, signal,
    credentials: token ? "omit" : "include",
    headers: {
      Accept: "application/json, application/pdf",
      "Accept-Language": language ?? document.documentElement.lang,
      ...(json && { "Content-Type": "application/json" }),
      ...(token && { Authorization: `Bearer ${token}` }),
      ...headers,
    },
    body: json ? JSON.stringify(json) : form,
  }).catch((error) => { throw signal?.aborted ? error : new Problem(UNREACHABLE); });
  if (response.ok) return response;
  const said = await response.json().catch(() => null);
  // A gateway may answer JSON of its own.
  const problem = typeof said?.code === "string" ? said : UNREACHABLE;
  if (problem.code === "session-expired") sessionStorage.removeItem(TOKEN);
  throw new Problem(problem, Number(response.headers.get("Retry-After")) || null, response.headers.get("Location"));
}

async function call(path, options) {
  const response = await request(path, options);
  return response.status === 204 ? null : response.json().catch(() => { throw new Problem(UNREACHABLE); });
}

/** Whether the browser keeps the session's cookie. Safari does not on http://localhost, where others make an exception. */
function keepsSecureCookies() {
  const probe = "__Host-probe";
  document.cookie = `${probe}=1; Path=/; Secure; SameSite=Strict`;
  const kept = document.cookie.includes(probe);
  document.cookie = `${probe}=; Path=/; Secure; SameSite=Strict; Max-Age=0`;
  return kept;
}

/** Starts a session: in a cookie that scripts cannot see, else as a token that this tab keeps. */
async function start(path, wanted) {
  const inCookie = config.session === "cookie" && keepsSecureCookies();
  const session = await call(path, { method: "POST", json: { ...wanted, token_delivery: inCookie ? "cookie" : "body" } });
  if (session.session_token) sessionStorage.setItem(TOKEN, session.session_token);
  return session;
}

export const portal = (brand, language) => call(`/v1/brands/${brand}/portal?language=${language}`, { language });
export const lookUp = (brand, wanted) => start(`/v1/brands/${brand}/sessions`, wanted);
export const redeem = (token) => start("/v1/handoffs", { token });
export const resume = () => call("/v1/session");
export const servicePoints = (query) => call(`/v1/service-points?${new URLSearchParams(query)}`);
export const preview = (wanted) => call("/v1/returns/preview", { method: "POST", json: wanted });
export const getReturn = (id) => call(`/v1/returns/${id}`);
export const handOff = (page) => call("/v1/session/handoff", { method: "POST", json: { page } });

/** The key is made with the first review and sent again with each retry: no click repeats a return. */
export const create = (wanted, key) =>
  call("/v1/returns", { method: "POST", json: wanted, headers: { "Idempotency-Key": key } });

export async function end() {
  await call("/v1/session", { method: "DELETE" });
  sessionStorage.removeItem(TOKEN);
}

/** Stores a picture and answers its handle. */
export async function upload(file) {
  const form = new FormData();
  form.append("photo", file);
  return (await call("/v1/uploads", { method: "POST", form })).uploads[0].file;
}

/** A label or customs declaration, as an address that the browser can open. */
export async function documentUrl(href) {
  return URL.createObjectURL(await (await request(href)).blob());
}

/** States after which the service has no more news. */
const FINAL = new Set(["label_ready", "no_label_needed", "accepted", "label_lost", "failed"]);

export const isFinal = (found) => FINAL.has(found.state);

/**
 * Tells each change of a return until its last one, by requests that the service holds. Answers how to stop.
 * `failed` is called with a problem that repeating does not solve, such as the end of the session.
 */
export function watch(found, told, failed) {
  const stop = new AbortController();
  const look = async () => {
    const known = found.revision;
    found = await call(`/v1/returns/${found.id}`, { headers: { Prefer: "wait=50" }, signal: stop.signal });
    if (found.revision !== known) told(found);
    return found.revision === known ? found.retry_after ?? 15 : 0;
  };
  const loop = async () => {
    while (!stop.signal.aborted && !isFinal(found)) {
      const seconds = await look().catch((problem) => {
        if (stop.signal.aborted || problem.retryable) return problem.retryAfter ?? 3;
        stop.abort();
        failed(problem);
        return 0;
      });
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
    }
  };
  loop();
  return () => stop.abort();
}
