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
type Body<N extends Name> = Omit<NonNullable<operations[N]["requestBody"]> extends {
    content: {
        "application/json": infer B;
    };
} ? B : never, "token_delivery">;
/** The service's calls by their names in the API description. Each throws a `Problem`, or the reason of its signal. */
export declare class ReturnPortal implements Record<Name, (...input: never[]) => unknown> {
    #private;
    /** The bearer session; set it to go on with one. */
    token: string | undefined;
    /** @param base Where the service is, such as "https://returns.example"; "" for the page's own origin. */
    constructor(base: string, settings?: Settings);
    getPortal: (brand: string, query?: Query<"getPortal">, options?: Options) => Promise<{
        brand: components["schemas"]["PortalBrand"];
        language: string | null;
        languages: string[];
        helper_text: string | null;
        background_image: string | null;
        reasons: components["schemas"]["Reason"][];
        refund_options: components["schemas"]["RefundOption"][];
        delivery_options: ("drop_off_point" | "drop_off_labelless" | "in_store" | "pickup")[];
        fee: components["schemas"]["Money"] | null;
        stores: components["schemas"]["Store"][];
        stale: boolean;
    }>;
    /** Looks a parcel up; the session is this client's from here on. */
    createSession: (brand: string, json: Body<"createSession">, options?: Options) => Promise<{
        session_token?: string | null;
        expires_at: string;
        brand: components["schemas"]["PortalBrand"];
        parcel: components["schemas"]["Parcel"];
        ship_from: components["schemas"]["ShipFrom"];
        items: components["schemas"]["Item"][];
        options: components["schemas"]["ReturnOptions"];
        drop_off: components["schemas"]["DropOff"];
        returns: components["schemas"]["Return"][];
        actions: components["schemas"]["Action"][];
    }>;
    getSession: (options?: Options) => Promise<{
        session_token?: string | null;
        expires_at: string;
        brand: components["schemas"]["PortalBrand"];
        parcel: components["schemas"]["Parcel"];
        ship_from: components["schemas"]["ShipFrom"];
        items: components["schemas"]["Item"][];
        options: components["schemas"]["ReturnOptions"];
        drop_off: components["schemas"]["DropOff"];
        returns: components["schemas"]["Return"][];
        actions: components["schemas"]["Action"][];
    }>;
    deleteSession: (options?: Options) => Promise<void>;
    createHandoff: (json?: Body<"createHandoff">, options?: Options) => Promise<{
        token: string;
        link: string | null;
        qr_code: string | null;
        expires_at: string;
    }>;
    /** Goes on with the session of another device. */
    redeemHandoff: (token: string, options?: Options) => Promise<{
        session_token?: string | null;
        expires_at: string;
        brand: components["schemas"]["PortalBrand"];
        parcel: components["schemas"]["Parcel"];
        ship_from: components["schemas"]["ShipFrom"];
        items: components["schemas"]["Item"][];
        options: components["schemas"]["ReturnOptions"];
        drop_off: components["schemas"]["DropOff"];
        returns: components["schemas"]["Return"][];
        actions: components["schemas"]["Action"][];
    }>;
    findServicePoints: (query?: Query<"findServicePoints">, options?: Options) => Promise<{
        service_points: components["schemas"]["ServicePoint"][];
        stale: boolean;
    }>;
    getServicePoint: (id: number, options?: Options) => Promise<{
        id: number;
        code: string;
        name: string;
        carrier: string;
        street: string;
        house_number: string;
        postal_code: string;
        city: string;
        country: string;
        latitude: number | null;
        longitude: number | null;
        distance: number | null;
        kind: string | null;
        phone: string | null;
        open_tomorrow: boolean;
        open_upcoming_week: boolean;
        time_zone: string | null;
        opening_hours: components["schemas"]["OpeningHours"][];
        unknown_weekdays?: number[];
        open_now: boolean | null;
        closes_at: string | null;
        next_open_at: string | null;
        available: boolean;
    }>;
    previewReturn: (json: Body<"previewReturn">, options?: Options) => Promise<{
        valid: boolean;
        problems: components["schemas"]["ProblemError"][];
        fee: components["schemas"]["Money"] | null;
        missing: string[];
    }>;
    /**
     * Creates the return, once for each key: make one (`crypto.randomUUID()`) when the form opens, for all attempts of
     * that form. Repeats the request by itself where the service says that nothing can come twice. On
     * "return-outcome-unknown" do not create another one: show `getReturn(problem.returnId)`.
     */
    createReturn: (json: Body<"createReturn">, key: string, options?: Options) => Promise<{
        id: string;
        state: components["schemas"]["ReturnState"];
        revision: number;
        created_at: string;
        updated_at: string;
        items: components["schemas"]["ReturnItem"][];
        delivery: components["schemas"]["ReturnDelivery"];
        sendcloud_return_id: number | null;
        parcels: components["schemas"]["ReturnParcel"][];
        payment_url: string | null;
        label: components["schemas"]["Label"];
        customs_declaration: string | null;
        drop_off: components["schemas"]["ServicePoint"] | null;
        store?: components["schemas"]["Store"] | null;
        refund_type?: string | null;
        fee?: components["schemas"]["Money"] | null;
        retry_after: number | null;
        actions: components["schemas"]["Action"][];
    }>;
    /** Stores pictures and answers, in their order, what `photos` of a return names. */
    uploadPhotos: (photos: readonly Blob[], options?: Options) => Promise<{
        uploads: components["schemas"]["Upload"][];
    }>;
    getReturn: (id: string, options?: Waiting) => Promise<{
        id: string;
        state: components["schemas"]["ReturnState"];
        revision: number;
        created_at: string;
        updated_at: string;
        items: components["schemas"]["ReturnItem"][];
        delivery: components["schemas"]["ReturnDelivery"];
        sendcloud_return_id: number | null;
        parcels: components["schemas"]["ReturnParcel"][];
        payment_url: string | null;
        label: components["schemas"]["Label"];
        customs_declaration: string | null;
        drop_off: components["schemas"]["ServicePoint"] | null;
        store?: components["schemas"]["Store"] | null;
        refund_type?: string | null;
        fee?: components["schemas"]["Money"] | null;
        retry_after: number | null;
        actions: components["schemas"]["Action"][];
    }>;
    /** The PDF, whole: one that breaks off is the problem "incomplete", and worth asking for again. */
    getLabel: (id: string, options?: Waiting) => Promise<Blob>;
    getCustomsDeclaration: (id: string, options?: Options) => Promise<Blob>;
    /** For a shop's own system, with its key among the `headers` of the settings. */
    getShopReturn: (brand: string, id: string, options?: Options) => Promise<{
        id: string;
        state: components["schemas"]["ReturnState"];
        revision: number;
        created_at: string;
        updated_at: string;
        items: components["schemas"]["ReturnItem"][];
        delivery: components["schemas"]["ReturnDelivery"];
        sendcloud_return_id: number | null;
        parcels: components["schemas"]["ReturnParcel"][];
        refund_type: string | null;
        fee: components["schemas"]["Money"] | null;
    }>;
    getParcelUnits: (brand: string, id: string, options?: Options) => Promise<{
        holders: components["schemas"]["Holder"][];
    }>;
    resolveReturn: (brand: string, id: string, json: Body<"resolveReturn">, options?: Options) => Promise<{
        id: string;
        state: components["schemas"]["ReturnState"];
        revision: number;
        created_at: string;
        updated_at: string;
        items: components["schemas"]["ReturnItem"][];
        delivery: components["schemas"]["ReturnDelivery"];
        sendcloud_return_id: number | null;
        parcels: components["schemas"]["ReturnParcel"][];
        refund_type: string | null;
        fee: components["schemas"]["Money"] | null;
    }>;
    eraseReturn: (brand: string, id: string, options?: Options) => Promise<{
        id: string;
        state: components["schemas"]["ReturnState"];
        revision: number;
        created_at: string;
        updated_at: string;
        items: components["schemas"]["ReturnItem"][];
        delivery: components["schemas"]["ReturnDelivery"];
        sendcloud_return_id: number | null;
        parcels: components["schemas"]["ReturnParcel"][];
        refund_type: string | null;
        fee: components["schemas"]["Money"] | null;
    }>;
    findReturnsOfOrder: (brand: string, json: Body<"findReturnsOfOrder">, options?: Options) => Promise<{
        returns: components["schemas"]["ShopReturn"][];
    }>;
    eraseReturnsOfOrder: (brand: string, json: Body<"eraseReturnsOfOrder">, options?: Options) => Promise<{
        erased: string[];
        still_open: string[];
    }>;
    getDeadEvents: (brand: string, options?: Options) => Promise<{
        events: components["schemas"]["DeadEvent"][];
    }>;
    resendDeadEvents: (brand: string, options?: Options) => Promise<{
        count: number;
    }>;
    /** For the shipping service, with its signature among the `headers`. */
    takeUpstreamEvent: (brand: string, json: Body<"takeUpstreamEvent">, options?: Options) => Promise<{
        outcome: "settled" | "moved" | "noted" | "known" | "left_to_people" | "ignored" | (string & {});
    }>;
    getLiveness: (options?: Options) => Promise<{
        status?: "ok";
    }>;
    getReadiness: (options?: Options) => Promise<{
        status?: "ok";
    }>;
    getProblem: (code: ProblemCode, options?: Options) => Promise<{
        code: string;
        status: number;
        title: string;
        detail: string;
        retryable: boolean;
        when: string;
        front_end: string;
        calls: string[];
    }>;
    /** The return as it is now, and each change of it, until the answer ends: with its last state, or for a restart. */
    watchReturn(id: string, { seen, ...options }?: Options & {
        seen?: number;
    }): AsyncGenerator<Return>;
    /**
     * The return once nothing more will come by itself: see its `state`. One that awaits payment is waited for as well,
     * so show `payment_url` from `onChange`, which is told how the return stands now and then each change.
     */
    waitForLabel(id: string, { onChange, signal }?: Options & {
        onChange?: (now: Return) => void;
    }): Promise<{
        id: string;
        state: components["schemas"]["ReturnState"];
        revision: number;
        created_at: string;
        updated_at: string;
        items: components["schemas"]["ReturnItem"][];
        delivery: components["schemas"]["ReturnDelivery"];
        sendcloud_return_id: number | null;
        parcels: components["schemas"]["ReturnParcel"][];
        payment_url: string | null;
        label: components["schemas"]["Label"];
        customs_declaration: string | null;
        drop_off: components["schemas"]["ServicePoint"] | null;
        store?: components["schemas"]["Store"] | null;
        refund_type?: string | null;
        fee?: components["schemas"]["Money"] | null;
        retry_after: number | null;
        actions: components["schemas"]["Action"][];
    }>;
}
