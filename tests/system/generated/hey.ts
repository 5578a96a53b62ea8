// The journey by the client that hey-api generates: node hey.js URL ORDER prints what it saw as JSON.
import { client } from "./hey/client.gen.js";
import * as api from "./hey/index.js";

declare const process: { argv: string[] };
const [baseUrl = "", identifier = ""] = process.argv.slice(2);

// @ts-expect-error A return in store names the store.
export const nowhere: api.NewDelivery = { option: "in_store" };
/** A state of a later version is no type error. */
export const later: api.ReturnState = "sent_by_drone";

const throwOnError = true;
async function main() {
  client.setConfig({ baseUrl });
  const body = { identifier, postal_code: "5611 AA", token_delivery: "body" } as const;
  const { data: session } = await api.createSession({ path: { brand: "demo" }, body, throwOnError });
  client.setConfig({ baseUrl, headers: { Authorization: `Bearer ${session.session_token}` } });
  const [item, reason] = [session.items[0]!, session.options.reasons[0]!];
  const wanted: api.NewReturn = {
    items: [{ id: item.id, quantity: 1, reason: reason.id }],
    refund: { type: "money" },
    delivery: { option: "in_store", store: session.options.stores[0]!.id },
  };
  const { data: preview } = await api.previewReturn({ body: { ...wanted, delivery: { option: "in_store" } }, throwOnError });
  const photos = [new Blob([Uint8Array.from([0x89, 80, 78, 71, 13, 10, 26, 10])], { type: "image/png" })];
  const { data: uploaded } = await api.uploadPhotos({ body: { photos }, throwOnError });
  const drop_off: api.NewReturn = { ...wanted, delivery: { option: "drop_off_labelless" } };
  const headers = { "Idempotency-Key": crypto.randomUUID() };
  const { data: made } = await api.createReturn({ body: drop_off, headers, throwOnError });
  const path = { return_id: made.id };
  const { data: label } = await api.getLabel({ path, headers: { Prefer: "wait=30" }, throwOnError });
  const start = await (label as Blob).slice(0, 5).text();
  console.log(JSON.stringify({ missing: preview.missing, uploads: uploaded.uploads.length, start }));
}

main();
