// From the lookup of an order to its return: what a shopper does before the label is there.

import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { returned, screen, servicePoint } from "./answers.js";
import { LOOKUP, NEW_RETURN, POINTS, PREVIEW, RETURN, SCREEN, UPSTREAM_POINTS } from "./schemas.js";
import { languageFor } from "./texts.js";

const POLL_SECONDS = Number(process.env.POLL_SECONDS ?? 1);
const SESSION_SECONDS = 3600;
const RADIUS_METRES = 5_000;

export function addJourney(app, { redis, upstream, points, ajv, asked, settingsOf, onRequest, refused }) {
  const isLookup = ajv.compile(LOOKUP);
  const arePoints = ajv.compile(UPSTREAM_POINTS);
  const portalOf = (brand) => `/api/v2/brand/${encodeURIComponent(brand)}/return-portal`;
  const keep = (parcel, record) => redis.set(`return:${parcel}:${record.id}`, JSON.stringify(record));

  app.post("/v1/brands/:brand/sessions", { schema: { response: { 201: SCREEN } } }, async (request, reply) => {
    const { brand } = request.params;
    const { identifier, postal_code } = request.body;
    const query = new URLSearchParams({ identifier, postal_code });
    const outgoing = await asked(upstream, `${portalOf(brand)}/outgoing?${query}`, isLookup);
    const settings = await settingsOf(brand);
    const token = randomBytes(32).toString("base64url");
    const expires_at = new Date(Date.now() + SESSION_SECONDS * 1000).toISOString();
    const session = { brand, parcel: String(outgoing.data.parcel.id), expires_at, outgoing };
    await redis.set(`session:${token}`, JSON.stringify(session), "EX", SESSION_SECONDS);
    const language = languageFor(request.headers["accept-language"]);
    reply.code(201);
    return { ...screen(session, settings, [], Date.now(), language), session_token: token };
  });

  app.get("/v1/service-points", { onRequest, schema: { response: { 200: POINTS } } }, async ({ session }) => {
    const { country, to_coordinates: at } = session.outgoing.data.parcel;
    const place = { country: country.iso_2, radius: RADIUS_METRES, latitude: at.latitude, longitude: at.longitude };
    const query = new URLSearchParams({ ...place, access_token: session.outgoing.service_points_token });
    const found = await asked(points, `/api/v2/service-points?${query}`, arePoints);
    return { service_points: found.map((each) => servicePoint(each, Date.now())) };
  });

  const checked = { onRequest, schema: { body: NEW_RETURN, response: { 200: PREVIEW } } };
  app.post("/v1/returns/preview", checked, async ({ session, body }) => {
    const problems = problemsOf(body, session.outgoing.data);
    return { valid: !problems.length, problems };
  });

  const created = { onRequest, schema: { body: NEW_RETURN, response: { 202: RETURN } } };
  app.post("/v1/returns", created, async ({ session, body: wanted }, reply) => {
    const { data, access_token } = session.outgoing;
    if (problemsOf(wanted, data).length) throw refused(422, "not so many can go back");
    const headers = { authorization: `Bearer ${access_token}`, "content-type": "application/json" };
    const sent = JSON.stringify(incoming(wanted, data));
    const path = `${portalOf(session.brand)}/incoming`;
    const { statusCode, body } = await upstream.request({ method: "POST", path, headers, body: sent });
    const made = await body.json();
    if (statusCode !== 200) throw refused(502, "upstream");
    const record = recordOf(wanted, made, data);
    await keep(session.parcel, record);
    reply.code(202).header("location", `/v1/returns/${record.id}`);
    return returned(record, Date.now());
  });

  /** Polls until the label is there, or for so many seconds; the record is kept with what was found. */
  async function waited(session, record, seconds) {
    const path = `${portalOf(session.brand)}/label/polling?token=${encodeURIComponent(record.poller_token)}`;
    for (let left = seconds; record.state !== "label_ready" && left > 0; left -= POLL_SECONDS) {
      await sleep(POLL_SECONDS * 1000);
      const { statusCode, body } = await upstream.request({ method: "GET", path });
      const ready = await body.json().catch(() => null);
      if (statusCode !== 200) continue;
      const updated_at = new Date().toISOString();
      Object.assign(record, { state: "label_ready", updated_at, download_token: tokenOf(ready.download_url) });
      await keep(session.parcel, record);
    }
    return record;
  }

  app.get("/v1/returns/:id/label", { onRequest }, async ({ session, params }, reply) => {
    const kept = await redis.get(`return:${session.parcel}:${params.id}`);
    if (!kept) throw refused(404, "no such return");
    const token = encodeURIComponent(JSON.parse(kept).download_token);
    const path = `${portalOf(session.brand)}/label/download?token=${token}`;
    const { statusCode, body } = await upstream.request({ method: "GET", path });
    if (statusCode !== 200) {
      await body.dump();
      throw refused(502, "upstream");
    }
    return reply.type("application/pdf").send(body);
  });

  return waited;
}

const tokenOf = (url) => new URL(url).searchParams.get("token");

function problemsOf({ items }, { products }) {
  const left = new Map(products.filter(({ returnable }) => returnable).map(({ id, quantity }) => [id, quantity]));
  return items.filter(({ id, quantity }) => quantity > (left.get(id) ?? 0)).map(({ id }) => `${id}: not so many`);
}

function recordOf({ items, refund, delivery }, made, { products, service_point: nearest }) {
  const now = new Date().toISOString();
  const named = new Map(products.map((each) => [each.id, each]));
  return {
    id: randomBytes(16).toString("base64url"),
    state: "label_pending",
    revision: 1,
    created_at: now,
    updated_at: now,
    items: items.map((each) => ({ comment: null, unit_price: null, ...each, name: named.get(each.id).name })),
    delivery: { carrier: null, store: null, pickup_date: null, ...delivery },
    sendcloud_return_id: made.return,
    parcels: made.incoming_parcels.map((id) => ({ id, tracking_number: null })),
    payment_url: made.payment_url,
    label_expires_at: null,
    delayed: false,
    drop_off: nearest?.id === delivery.service_point ? nearest : null,
    store: null,
    refund_type: refund.type,
    fee: null,
    poller_token: tokenOf(made.poller_url),
  };
}

function incoming({ items, refund, delivery }, { parcel, products }) {
  const named = new Map(products.map((each) => [each.id, each]));
  const from = { name: parcel.name, company_name: parcel.company_name, address_1: parcel.address_divided.street };
  Object.assign(from, { house_number: parcel.house_number, city: parcel.city, postal_code: parcel.postal_code });
  Object.assign(from, { country: parcel.country.iso_2, email: parcel.email, telephone: parcel.telephone });
  return {
    reason: items[0].reason,
    message: "",
    outgoing_parcel: parcel.id,
    refund: { refund_type: { code: refund.type }, message: refund.message ?? "" },
    delivery_option: delivery.option,
    products: items.map(({ id, quantity, reason }) => {
      const { name: description, price } = named.get(id);
      return { product_id: id, quantity, description, value: Number(price), return_reason: reason };
    }),
    incoming_parcel: {
      ...Object.fromEntries(Object.entries(from).map(([name, value]) => [`from_${name}`, value])),
      collo_count: parcel.collo_count,
    },
    service_point: { id: delivery.service_point },
  };
}
