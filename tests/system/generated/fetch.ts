// What openapi-generator's typescript-fetch makes of the types.
import type { NewDelivery, Return, ReturnsApi } from "./typescript-fetch/index.js";

// @ts-expect-error A return in store names the store.
export const nowhere: NewDelivery = { option: "in_store" };
export const somewhere: NewDelivery = { option: "in_store", store: 7 };
/** A state of a later version is no type error. */
export const later: Return["state"] = "sent_by_drone";
export const label = (api: ReturnsApi): Promise<Blob> => api.getLabel({ returnId: "rtn_1" });
export const photos = (api: ReturnsApi) => api.uploadPhotos({ photos: [new Blob()] });
