// The peer in Node: fastify, undici, ioredis. Environment: PORT, REDIS_URL, UPSTREAM (scheme, host and port),
// SERVICE_POINTS (another, if points are elsewhere), POLL_SECONDS.

import { Ajv } from "ajv";
import Fastify from "fastify";
import { Redis } from "ioredis";
import { Pool } from "undici";

import { portal, returned, screen, servicePoint } from "./answers.js";
import { addJourney } from "./journey.js";
import { PORTAL, POINT, RETURN, SCREEN, UPSTREAM_AVAILABILITY, UPSTREAM_POINT, UPSTREAM_SETTINGS } from "./schemas.js";
import { languageFor } from "./texts.js";

const redis = new Redis(process.env.REDIS_URL, { enableAutoPipelining: true });
const upstream = new Pool(process.env.UPSTREAM);
const { SERVICE_POINTS } = process.env;
const points = SERVICE_POINTS ? new Pool(SERVICE_POINTS) : upstream;
const SETTINGS_SECONDS = 60;
const ajv = new Ajv();
const isPoint = ajv.compile(UPSTREAM_POINT);
const isAvailability = ajv.compile(UPSTREAM_AVAILABILITY);
const isSettings = ajv.compile(UPSTREAM_SETTINGS);
const app = Fastify();

function refused(statusCode, message) {
  return Object.assign(new Error(message), { statusCode });
}

async function authenticated(request) {
  const [scheme, token] = (request.headers.authorization ?? "").split(" ");
  const kept = scheme === "Bearer" && token ? await redis.get(`session:${token}`) : null;
  if (!kept) throw refused(401, "no session");
  request.session = JSON.parse(kept);
}

async function asked(pool, path, isValid) {
  const { statusCode, body } = await pool.request({ method: "GET", path });
  const answer = await body.json();
  if (statusCode !== 200 || !isValid(answer)) throw refused(502, "upstream");
  return answer;
}

async function settingsOf(brand) {
  const kept = await redis.get(`portal:${brand}`);
  if (kept) return JSON.parse(kept);
  const settings = await asked(upstream, `/api/v2/brand/${encodeURIComponent(brand)}/return-portal`, isSettings);
  await redis.set(`portal:${brand}`, JSON.stringify(settings), "EX", SETTINGS_SECONDS);
  return settings;
}

app.decorateRequest("session", null);
const onRequest = authenticated;
const waited = addJourney(app, { redis, upstream, points, ajv, asked, settingsOf, onRequest, refused });

app.get("/v1/service-points/:id", { onRequest, schema: { response: { 200: POINT } } }, async (request) => {
  const path = `/api/v2/service-points/${encodeURIComponent(request.params.id)}`;
  const query = `?access_token=${encodeURIComponent(request.session.outgoing.service_points_token)}`;
  const [point, available] = await Promise.all([
    asked(points, path + query, isPoint),
    asked(points, `${path}/check-availability${query}`, isAvailability),
  ]);
  return { ...servicePoint(point, Date.now()), available };
});

app.get("/v1/session", { onRequest, schema: { response: { 200: SCREEN } } }, async ({ session, headers }) => {
  const [settings, ids] = await Promise.all([settingsOf(session.brand), redis.lrange(`returns:${session.parcel}`, 0, -1)]);
  const records = ids.length ? await redis.mget(ids.map((id) => `return:${session.parcel}:${id}`)) : [];
  const returns = records.filter(Boolean).map((each) => JSON.parse(each));
  return screen(session, settings, returns, Date.now(), languageFor(headers["accept-language"]));
});

app.get("/v1/returns/:id", { onRequest, schema: { response: { 200: RETURN } } }, async ({ session, params, headers }) => {
  const kept = await redis.get(`return:${session.parcel}:${params.id}`);
  if (!kept) throw refused(404, "no such return");
  const [, seconds = 0] = /^wait=(\d+)$/.exec(headers.prefer) ?? [];
  return returned(await waited(session, JSON.parse(kept), Number(seconds)), Date.now());
});

app.get("/v1/brands/:brand/portal", { schema: { response: { 200: PORTAL } } }, async (request, reply) => {
  reply.header("cache-control", "public, max-age=60");
  return portal(await settingsOf(request.params.brand), null);
});

app.get("/livez", () => ({ status: "ok" }));

await app.listen({ port: Number(process.env.PORT), host: "127.0.0.1" });
