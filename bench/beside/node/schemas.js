// JSON schemas: of upstream answers for ajv, of our own answers for fastify's serializer.

const object = (properties) => ({ type: "object", required: Object.keys(properties), properties });
const list = (items) => ({ type: "array", items });
const or_null = (schema) => ({ anyOf: [schema, { type: "null" }] });
const text = { type: "string" };
const maybe = { type: ["string", "null"] };
const flag = { type: "boolean" };
const integer = { type: "integer" };
const strings = list(text);

export const UPSTREAM_POINT = {
  type: "object",
  required: ["id", "name", "country", "carrier"],
  properties: {
    id: { type: "integer", minimum: 1 },
    ...Object.fromEntries(
      ["code", "name", "street", "house_number", "postal_code", "city", "country", "email", "phone", "carrier"].map(
        (name) => [name, text],
      ),
    ),
    latitude: { type: ["string", "number", "null"] },
    longitude: { type: ["string", "number", "null"] },
    is_active: flag,
    formatted_opening_times: { type: "object", additionalProperties: strings },
    open_tomorrow: { type: ["boolean", "null"] },
    open_upcoming_week: { type: ["boolean", "null"] },
    distance: { type: ["number", "null"] },
    shop_type: maybe,
    general_shop_type: maybe,
  },
};
export const UPSTREAM_POINTS = list(UPSTREAM_POINT);
export const UPSTREAM_AVAILABILITY = flag;
export const LOOKUP = object({
  data: object({ parcel: object({ id: integer }), products: list(object({ id: text, name: text })) }),
  service_points_token: text,
  access_token: text,
});
export const UPSTREAM_SETTINGS = object({
  portal: object({ brand: object({ name: text }), reasons: list(object({ id: integer })) }),
  return_locations: list(object({ id: integer })),
});
export const NEW_RETURN = object({
  items: { ...list(object({ id: text, quantity: { type: "integer", minimum: 1 }, reason: integer })), minItems: 1 },
  refund: { type: "object", required: ["type"], properties: { type: text, message: text } },
  delivery: { type: "object", required: ["option"], properties: { option: text, service_point: integer } },
});
export const PREVIEW = object({ valid: flag, problems: strings });

const point = {
  id: integer,
  code: text,
  name: text,
  carrier: text,
  street: text,
  house_number: text,
  postal_code: text,
  city: text,
  country: text,
  latitude: { type: "number" },
  longitude: { type: "number" },
  distance: { type: ["integer", "null"] },
  kind: maybe,
  phone: maybe,
  open_tomorrow: flag,
  open_upcoming_week: flag,
  time_zone: maybe,
  opening_hours: list(object({ weekday: integer, opens: text, closes: text })),
  unknown_weekdays: list(integer),
  open_now: { type: ["boolean", "null"] },
  closes_at: maybe,
  next_open_at: maybe,
};
export const POINT = object({ ...point, available: flag });
export const POINTS = object({ service_points: list(object(point)) });

const words = or_null(object({ title: text, detail: text }));
const action = object({ name: text, method: text, href: text, allowed: flag, why_not: maybe, why_not_text: words });
const money = or_null(object({ amount: text, currency: maybe }));
const reasons = list(object({ id: integer, description: text }));
const refunds = list(object({ code: text, label: text, message_required: flag }));
const place = { street: text, house_number: text, postal_code: text, city: text, country: text };
const store = object({ id: integer, name: text, ...place, distance: { type: ["integer", "null"] } });
const stores = list(store);
const brand = object({
  domain: text,
  name: text,
  color: maybe,
  secondary_color: maybe,
  website: maybe,
  logo: maybe,
  support_url: maybe,
  return_policy_url: maybe,
  support_email: maybe,
  hide_powered_by: flag,
});

export const PORTAL = object({
  brand,
  language: maybe,
  languages: strings,
  helper_text: maybe,
  background_image: maybe,
  reasons,
  refund_options: refunds,
  delivery_options: strings,
  fee: money,
  stores,
  stale: flag,
});

export const RETURN = object({
  id: text,
  state: text,
  revision: integer,
  created_at: text,
  updated_at: text,
  items: list(
    object({
      id: text,
      name: text,
      quantity: integer,
      reason: { type: ["integer", "null"] },
      comment: maybe,
      unit_price: money,
    }),
  ),
  delivery: object({
    option: text,
    service_point: { type: ["integer", "null"] },
    carrier: maybe,
    store: { type: ["integer", "null"] },
    pickup_date: maybe,
  }),
  sendcloud_return_id: { type: ["integer", "null"] },
  parcels: list(object({ id: integer, tracking_number: maybe, tracking: maybe })),
  payment_url: maybe,
  label: object({ state: text, href: maybe, expires_at: maybe, delayed: flag }),
  customs_declaration: maybe,
  drop_off: or_null(object(point)),
  store: or_null(store),
  refund_type: maybe,
  fee: money,
  retry_after: { type: ["integer", "null"] },
  actions: list(action),
});

export const SCREEN = object({
  session_token: maybe,
  expires_at: text,
  brand,
  parcel: object({ order_number: text, tracking_number: text, carrier: maybe, max_parcels: integer }),
  ship_from: object({
    name: text,
    street: text,
    postal_code: text,
    city: text,
    country: text,
    email: text,
    phone: text,
  }),
  items: list(
    object({
      id: text,
      product_id: text,
      name: text,
      image_url: maybe,
      unit_price: money,
      quantity: integer,
      returnable: flag,
      why_not: maybe,
      why_not_text: words,
      remaining: integer,
    }),
  ),
  options: object({
    reasons,
    refund_options: refunds,
    refund_required: flag,
    delivery_options: list(
      object({ code: text, needs: strings, accepts: strings, possible: flag, why_not: maybe, why_not_text: words }),
    ),
    pickup: or_null(object({ earliest: text, latest: text })),
    stores,
    fee: money,
    shipping_method_ids: list(integer),
    national_carrier: or_null(object({ code: maybe, name: text, drop_off_finder: maybe, contact: maybe })),
  }),
  drop_off: object({
    nearest: or_null(object(point)),
    nearest_labelless: or_null(object(point)),
    carriers: list(object({ code: text, name: text, logo: maybe })),
  }),
  returns: list(RETURN),
  actions: list(action),
});
