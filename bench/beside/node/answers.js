// From what the upstream and Redis say to what a front end gets.

import { dayThere, intervals, opening, unknownWeekdays, zoneOf } from "./hours.js";
import { whyNotText } from "./texts.js";

export function servicePoint(point, now) {
  const zone = zoneOf(point.country);
  const hours = intervals(point.formatted_opening_times);
  return {
    id: point.id,
    code: point.code,
    name: point.name,
    carrier: point.carrier,
    street: point.street,
    house_number: point.house_number,
    postal_code: point.postal_code,
    city: point.city,
    country: point.country,
    latitude: Number(point.latitude),
    longitude: Number(point.longitude),
    distance: point.distance == null ? null : Math.round(point.distance),
    kind: point.general_shop_type ?? null,
    phone: point.phone || null,
    open_tomorrow: Boolean(point.open_tomorrow),
    open_upcoming_week: Boolean(point.open_upcoming_week),
    time_zone: zone,
    opening_hours: hours,
    unknown_weekdays: unknownWeekdays(point.formatted_opening_times),
    ...(zone ? opening(hours, zone, now) : { open_now: null, closes_at: null, next_open_at: null }),
  };
}

export function portal({ portal: source, return_locations: stores }, language) {
  return {
    brand: brand(source),
    language,
    languages: source.languages,
    helper_text: source.layout?.helper_text || null,
    background_image: source.layout?.background_image || null,
    reasons: source.reasons.map(({ id, description }) => ({ id, description })),
    refund_options: refunds(source),
    delivery_options: source.delivery_options,
    fee: money(source.return_fee),
    stores: stores.map((each) => store(each, new Map())),
    stale: false,
  };
}

export function screen(session, settings, returns, now, language) {
  const { data } = session.outgoing;
  const items = data.products.map((product) => item(product, returns, language));
  const left = items.some(({ remaining }) => remaining > 0);
  const why = data.parcel.id == null ? "not-returnable-online" : left ? null : "nothing-left-to-return";
  const { parcel } = data;
  const email = parcel.email.split("@").map(masked).join("@");
  return {
    session_token: null,
    expires_at: session.expires_at,
    brand: brand(settings.portal),
    parcel: {
      order_number: parcel.order_number,
      tracking_number: parcel.tracking_number,
      carrier: parcel.carrier?.code ?? null,
      max_parcels: Math.max(parcel.collo_count || 1, 1),
    },
    ship_from: {
      name: masked(parcel.name),
      street: masked(parcel.address),
      postal_code: parcel.postal_code,
      city: parcel.city,
      country: parcel.country.iso_2,
      email,
      phone: masked(parcel.telephone),
    },
    items,
    options: options(settings, data, now, language),
    drop_off: {
      nearest: data.service_point && servicePoint(data.service_point, now),
      nearest_labelless: data.labelless_service_point && servicePoint(data.labelless_service_point, now),
      carriers: data.carriers.map(({ code, name, logo }) => ({ code, name, logo: logo?.full ?? null })),
    },
    returns: returns.map((each) => returned(each, now)),
    actions: [
      action("create_return", "POST", "/v1/returns", why, whyNotText(why, language)),
      action("find_service_points", "GET", "/v1/service-points"),
      action("upload_photos", "POST", "/v1/uploads"),
      action("hand_off", "POST", "/v1/session/handoff"),
      action("end_session", "DELETE", "/v1/session"),
    ],
  };
}

export function returned(record, now) {
  const ready = record.state === "label_ready";
  const href = `/v1/returns/${record.id}/label`;
  const { id, state, revision, created_at, updated_at, items, delivery, parcels, payment_url } = record;
  return {
    id,
    state,
    revision,
    created_at,
    updated_at,
    items,
    delivery,
    sendcloud_return_id: record.sendcloud_return_id,
    parcels: parcels.map(({ id, tracking_number, tracking = null }) => ({ id, tracking_number, tracking })),
    payment_url,
    label: {
      state: ready ? "ready" : "pending",
      href: ready ? href : null,
      expires_at: record.label_expires_at,
      delayed: record.delayed,
    },
    customs_declaration: null,
    drop_off: record.drop_off && servicePoint(record.drop_off, now),
    store: record.store,
    refund_type: record.refund_type,
    fee: record.fee,
    retry_after: ready ? null : 1,
    actions: [action("download_label", "GET", href, ready ? null : "label-not-ready")],
  };
}

function options(settings, data, now, language) {
  const distances = new Map(data.shop_distances.map(({ id, distance }) => [id, distance]));
  const source = settings.portal;
  const national = data.national_carrier;
  return {
    reasons: source.reasons.map(({ id, description }) => ({ id, description })),
    refund_options: refunds(source),
    refund_required: source.refund_options.length > 0,
    delivery_options: source.delivery_options.map((code) => deliveryOption(code, data, settings, language)),
    pickup: source.delivery_options.includes("pickup") ? pickup(data.parcel.country.iso_2, now) : null,
    stores: settings.return_locations.map((each) => store(each, distances)),
    fee: money(source.return_fee),
    shipping_method_ids: data.shipping_method_ids,
    national_carrier: national && {
      code: national.code,
      name: national.name,
      drop_off_finder: national.drop_off_finder,
      contact: data.national_carrier_contact,
    },
  };
}

function pickup(country, now) {
  const zone = zoneOf(country) ?? "Etc/GMT+12";
  return { earliest: dayThere(zone, now), latest: dayThere(zone, now, PICKUP_DAYS) };
}

const PICKUP_DAYS = 30;
const NEEDS = { drop_off_point: ["service_point"], drop_off_labelless: [], pickup: [], in_store: ["store"] };
const ACCEPTS = {
  drop_off_point: ["carrier"],
  drop_off_labelless: ["service_point", "carrier"],
  pickup: ["carrier", "pickup_date"],
  in_store: [],
};

function deliveryOption(code, data, settings, language) {
  let why = null;
  if (code === "in_store") why = settings.return_locations.length ? null : "no-store";
  else if (!data.carriers.length) why = "no-carrier";
  else if (code === "drop_off_labelless" && !data.labelless_service_point) why = "no-carrier";
  const told = { why_not: why, why_not_text: whyNotText(why, language) };
  return { code, needs: NEEDS[code], accepts: ACCEPTS[code], possible: why === null, ...told };
}

function brand({ brand: source, support_url, return_policy_url }) {
  return {
    domain: source.domain,
    name: source.name,
    color: source.color,
    secondary_color: source.secondary_color,
    website: source.website,
    logo: source.screen_logo?.url ?? null,
    support_url,
    return_policy_url,
    support_email: source.customization_settings?.footer?.support_email || null,
    hide_powered_by: source.hide_powered_by,
  };
}

function refunds({ refund_options: found }) {
  return found.map(({ code, label, require_message }) => ({ code, label, message_required: require_message }));
}

function store(source, distances) {
  return {
    id: source.id,
    name: source.company_name,
    street: `${source.address_1} ${source.address_2}`.trim(),
    house_number: source.house_number,
    postal_code: source.postal_code,
    city: source.city,
    country: source.country_name,
    distance: distances.get(source.id) ?? null,
  };
}

function item(product, returns, language) {
  const held = returns
    .filter(({ state }) => state !== "failed")
    .flatMap(({ items }) => items)
    .filter(({ id }) => id === product.id)
    .reduce((sum, { quantity }) => sum + quantity, 0);
  const why = product.returnable ? null : "not-returnable";
  return {
    id: product.id,
    product_id: product.id,
    name: product.name,
    image_url: product.image_url,
    unit_price: money(product.price),
    quantity: product.quantity,
    returnable: product.returnable,
    why_not: why,
    why_not_text: whyNotText(why, language),
    remaining: product.returnable ? Math.max(0, product.quantity - held) : 0,
  };
}

function masked(value) {
  return value.split(/\s+/).map((word) => `${word[0]}•••`).join(" ");
}

function money(amount) {
  return amount == null ? null : { amount: Number(amount).toFixed(2), currency: null };
}

function action(name, method, href, why = null, words = null) {
  return { name, method, href, allowed: why === null, why_not: why, why_not_text: words };
}
