// Written by `make openapi` from ../bff.json.
export interface paths {
    "/v1/brands/{brand}/portal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Portal
         * @description The shop's colours, texts, reasons, refunds and return methods, in a language it speaks.
         */
        get: operations["getPortal"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/brands/{brand}/sessions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create Session
         * @description Looks the parcel up and starts a session: a `__Host-` cookie, or a `session_token` in the body if asked for.
         */
        post: operations["createSession"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Session
         * @description Everything the first screen needs, again.
         */
        get: operations["getSession"];
        put?: never;
        post?: never;
        /**
         * Delete Session
         * @description Forgets the tokens and the personal data at once; returns, and the units that they hold, stay.
         */
        delete: operations["deleteSession"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/session/handoff": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create Handoff
         * @description A single-use link and QR code, good for 15 minutes; the session itself goes on.
         */
        post: operations["createHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/handoffs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Redeem Handoff
         * @description Starts a session of its own on this device; the token is used up.
         */
        post: operations["redeemHandoff"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/service-points": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Find Service Points
         * @description Points of the parcel's carriers, nearest first, with opening hours in their own time zone.
         */
        get: operations["findServicePoints"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/service-points/{service_point_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Service Point
         * @description One point as it is now, and whether it takes parcels.
         */
        get: operations["getServicePoint"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/uploads": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Upload Photos
         * @description Stores pictures and gives the handles by which `photos` of a return in this session names them.
         */
        post: operations["uploadPhotos"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/returns/preview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Preview Return
         * @description Everything that would prevent this return, in one answer; nothing is created.
         */
        post: operations["previewReturn"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/returns": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Create Return
         * @description Creates the return, once: repeating the call with the same key and body gives the first answer again.
         */
        post: operations["createReturn"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/returns/{return_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Return
         * @description The state of the return; `retry_after` (seconds) says when it can have changed.
         */
        get: operations["getReturn"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/returns/{return_id}/events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Watch Return
         * @description The return as Server-Sent Events: its state now unless it was seen, then each change until a final one.
         */
        get: operations["watchReturn"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/returns/{return_id}/label": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Label
         * @description Streams the PDF. If it breaks off, the connection is cut, so that it never looks whole.
         */
        get: operations["getLabel"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/returns/{return_id}/customs-declaration": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Customs Declaration
         * @description Streams the PDF like the label.
         */
        get: operations["getCustomsDeclaration"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shops/{brand}/returns/{return_id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Shop Return
         * @description A return of the shop as it is stored.
         */
        get: operations["getShopReturn"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shops/{brand}/returns/{return_id}/units": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Parcel Units
         * @description Which returns hold units of the parcel that this return belongs to.
         */
        get: operations["getParcelUnits"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shops/{brand}/returns/{return_id}/resolve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Resolve Return
         * @description Records what became of a return that the shop looked up in the panel; repeating the call changes nothing.
         */
        post: operations["resolveReturn"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shops/{brand}/returns/{return_id}/erase": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Erase Return
         * @description Deletes everything personal of a return whose state is final; repeating the call changes nothing.
         */
        post: operations["eraseReturn"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shops/{brand}/returns/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Find Returns Of Order
         * @description The returns of an order by its number; a number with no returns has an empty list.
         */
        post: operations["findReturnsOfOrder"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shops/{brand}/returns/erase": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Erase Returns Of Order
         * @description Deletes everything personal of each return of an order whose state is final, and names the others.
         */
        post: operations["eraseReturnsOfOrder"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shops/{brand}/dead-events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Dead Events
         * @description Events of the shop that its endpoint did not take for three days, or because it was switched off by a 410.
         */
        get: operations["getDeadEvents"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/shops/{brand}/dead-events/resend": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Resend Dead Events
         * @description Sends the oldest 1,000 again, once each, to an address that a 410 switched off, too.
         */
        post: operations["resendDeadEvents"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/v1/brands/{brand}/upstream-events": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Take Upstream Event
         * @description For the shipping service: takes one of its events about a parcel; repeating the call changes nothing.
         */
        post: operations["takeUpstreamEvent"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Liveness
         * @description The process runs; nothing else is checked.
         */
        get: operations["getLiveness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Readiness
         * @description Redis answers and has our names, and the replica is not stopping; an outage of the upstream stops no replica.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/problems/{code}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Problem
         * @description The meaning of a problem code and what helps; as a page for clients that prefer HTML.
         */
        get: operations["getProblem"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A call, and whether it can be made now. */
        Action: {
            /** @description The action. */
            name: string;
            /**
             * @description The method of the call.
             * @enum {string}
             */
            method: "GET" | "POST" | "DELETE";
            /** @description Its path on this service. */
            href: string;
            /** @description Whether the call can be made now. */
            allowed: boolean;
            /** @description Why it cannot: a problem code, `nothing-left-to-return`, `nothing-returnable`, or a later word. */
            why_not?: string | null;
            /** @description The same in words; null for a return, whose `state` says it. */
            why_not_text?: components["schemas"]["WhyNotText"] | null;
        };
        /** @description A carrier that brings parcels back. */
        Carrier: {
            /** @description Names the carrier in searches and returns. */
            code: string;
            /** @description The name to show. */
            name: string;
            /** @description The address of a picture. */
            logo: string | null;
        };
        /** @description An event that the shop's endpoint did not take. */
        DeadEvent: {
            /** @description The `webhook-id` of the event. */
            id: string;
            /** @description The `id` of the return that it tells of. */
            return_id: string;
            /** @description What happened, such as `return.created`. */
            type: string;
            /**
             * Format: date-time
             * @description When it was given up; it is kept for seven days from then on.
             */
            given_up_at: string;
        };
        /** @description Events that were given up. */
        DeadEvents: {
            /** @description The oldest 100 of them, the oldest first. */
            events: components["schemas"]["DeadEvent"][];
        };
        /** @description How the parcel travels back, as far as the shopper has chosen. */
        DeliveryDraft: {
            /**
             * @description How the parcel travels back.
             * @enum {string}
             */
            option: "drop_off_point" | "drop_off_labelless" | "in_store" | "pickup";
            /** @description The `id` of a service point. */
            service_point?: number | null;
            /** @description One of the parcel's carriers. */
            carrier?: string | null;
            /** @description The `id` of a store of the session. */
            store?: number | null;
            /** @description The day on which the shopper wants the parcel collected. */
            pickup_date?: string | null;
        };
        /** @description One way to send the parcel back. */
        DeliveryOption: {
            /**
             * @description The `delivery.option` of a return that travels this way.
             * @enum {string}
             */
            code: "drop_off_point" | "drop_off_labelless" | "in_store" | "pickup";
            /** @description Members that `delivery` of a return has to name beside it. */
            needs: ("service_point" | "carrier" | "store" | "pickup_date")[];
            /** @description Members that `delivery` of a return may name beside it. */
            accepts: ("service_point" | "carrier" | "store" | "pickup_date")[];
            /** @description Whether this parcel can travel back that way. */
            possible: boolean;
            /** @description Why it cannot: `no-store`, `no-carrier`, or a later word. */
            why_not: string | null;
            /** @description The same in words. */
            why_not_text?: components["schemas"]["WhyNotText"] | null;
        };
        /** @description Places nearby where the parcel can be handed in. */
        DropOff: {
            /** @description The nearest point. */
            nearest: components["schemas"]["ServicePoint"] | null;
            /** @description The nearest point that prints the label. */
            nearest_labelless: components["schemas"]["ServicePoint"] | null;
            /** @description The carriers that take this parcel. */
            carriers: components["schemas"]["Carrier"][];
        };
        /** @description The shopper takes the parcel to a service point, which prints the label. */
        DropOffLabelless: {
            /**
             * @description How the parcel travels back. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            option: "drop_off_labelless";
            /** @description The `id` of a service point that takes parcels without a label. */
            service_point?: number | null;
            /** @description One of the parcel's carriers. */
            carrier?: string | null;
        };
        /** @description The shopper takes the parcel with its label to a service point. */
        DropOffPoint: {
            /**
             * @description How the parcel travels back. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            option: "drop_off_point";
            /**
             * Format: int64
             * @description The `id` of a service point.
             */
            service_point: number;
            /** @description The carrier of that point; its own where this is left out. */
            carrier?: string | null;
        };
        /** @description What was erased of an order. */
        ErasedOrder: {
            /** @description The `id` of each return of which nothing personal is left. */
            erased: string[];
            /** @description The `id` of each return whose state is not final, and of which nothing was erased. */
            still_open: string[];
        };
        /** @description A point as it is now, and whether it takes parcels. */
        FreshServicePoint: {
            /**
             * Format: int64
             * @description Names the point in a return.
             */
            id: number;
            /** @description The carrier's own name for the point. */
            code: string;
            /** @description The name of the place. */
            name: string;
            /** @description The code of its carrier. */
            carrier: string;
            /** @description Without the house number. */
            street: string;
            /** @description With its addition. */
            house_number: string;
            /** @description As the country writes it. */
            postal_code: string;
            /** @description The town. */
            city: string;
            /** @description ISO 3166-1 alpha-2. */
            country: string;
            /** @description Degrees (WGS 84). */
            latitude: number | null;
            /** @description Degrees (WGS 84). */
            longitude: number | null;
            /** @description Metres from the place that was searched. */
            distance: number | null;
            /** @description The kind of place, in the carrier's words. */
            kind: string | null;
            /** @description Its telephone number. */
            phone: string | null;
            /** @description Whether it is known to open tomorrow. */
            open_tomorrow: boolean;
            /** @description Whether it is known to open in the next seven days. */
            open_upcoming_week: boolean;
            /** @description IANA name; null where it is not known, and then `open_now` is not known either. */
            time_zone: string | null;
            /** @description Hours of the current week, holidays included; closed on weekdays neither here nor in `unknown_weekdays`. */
            opening_hours: components["schemas"]["OpeningHours"][];
            /**
             * @description Weekdays whose hours are not known; 1 is Monday.
             * @default []
             */
            unknown_weekdays?: number[];
            /** @description Null where that is not known. */
            open_now: boolean | null;
            /** @description When it closes, while it is open and known to close this week. */
            closes_at: string | null;
            /** @description When it opens, while it is closed and known to open this week. */
            next_open_at: string | null;
            /** @description Whether it takes parcels now. */
            available: boolean;
        };
        /** @description A link to continue this session on another device, once and before it expires. */
        Handoff: {
            /** @description The token that the other device redeems. */
            token: string;
            /** @description The page with the token in its fragment, which browsers send to no server. */
            link: string | null;
            /** @description The link as a picture: a data URI of an SVG image. */
            qr_code: string | null;
            /**
             * Format: date-time
             * @description Until when the token can be redeemed.
             */
            expires_at: string;
        };
        /** @description The process answers. */
        Health: {
            /**
             * @description Always the same word.
             * @default ok
             * @constant
             */
            status?: "ok";
        };
        /** @description The claim of one return on units of its parcel. */
        Holder: {
            /** @description The `id` of the return. */
            return_id: string;
            /** @description The phase of the claim. */
            phase: "intent" | "sent" | "outcome_unknown" | "done" | "failed" | (string & {});
            /** @description Whether the units cannot be returned by another return. */
            holds_units: boolean;
            /**
             * Format: date-time
             * @description Until when its creation can be under way; units of an unknown outcome can be freed 15 minutes later.
             */
            lease_until: string;
            /** @description The outcome that a person or a system of the shop recorded; null where none was. */
            finding: ("accepted" | "never-made" | "cancelled" | (string & {})) | null;
        };
        /** @description The shopper takes the items to a store of the shop. */
        InStore: {
            /**
             * @description How the items travel back. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            option: "in_store";
            /**
             * Format: int64
             * @description The `id` of a store of the session.
             */
            store: number;
        };
        /** @description An item of the order. */
        Item: {
            /** @description Opaque; names the line, and is the same in every session of the parcel. */
            id: string;
            /**
             * @description As the shipping service states it; may be empty or shared by items.
             * @default
             */
            product_id?: string;
            /** @description The item's name at the shop. */
            name: string;
            /** @description The address of a picture. */
            image_url: string | null;
            /** @description The price of one unit. */
            unit_price: components["schemas"]["Money"] | null;
            /** @description Units ordered. */
            quantity: number;
            /** @description Whether the shop takes units of it back. */
            returnable: boolean;
            /**
             * @description Why it cannot be returned: `not-returnable`, the shop does not take it back; `excluded-by-policy`, its return
             *     policy names the item; `window-over`, its deadline has passed; or `incomplete`, too little of it is known. More
             *     reasons may come.
             */
            why_not?: string | null;
            /** @description The same in words. */
            why_not_text?: components["schemas"]["WhyNotText"] | null;
            /** @description The last moment to return units of it; absent where it is not known or there is none. */
            deadline?: string | null;
            /** @description Units that can still be returned. */
            remaining: number;
        };
        /** @description The document to print or to show. */
        Label: {
            /** @description Whether there is one. More words may come: treat an unknown one like `pending`. */
            state: "pending" | "ready" | "not_needed" | "unavailable" | (string & {});
            /** @description Its path on this service, while it can be fetched. */
            href: string | null;
            /** @description Until when it can be fetched, where that is known. */
            expires_at: string | null;
            /**
             * @description Whether the label takes longer than usual, because the shipping service does not tell its state.
             * @default false
             */
            delayed?: boolean;
        };
        /** @description An amount of money. */
        Money: {
            /**
             * @description A decimal number.
             * @example 29.95
             */
            amount: string;
            /** @description ISO 4217; null where neither the shop nor the shipping service states it. */
            currency?: string | null;
        };
        /** @description The national postal carrier, for shoppers far from any drop-off point. */
        NationalCarrier: {
            /** @description Names the carrier. */
            code: string | null;
            /** @description The name to show. */
            name: string;
            /** @description The address of its own page of drop-off points. */
            drop_off_finder: string | null;
            /** @description The address of its help page. */
            contact: string | null;
        };
        /** @description Corrections of the address that the parcel went to; absent members stay. The country cannot change. */
        NewContact: {
            /** @description First and last name. */
            name?: string | null;
            /** @description An empty text removes it. */
            company_name?: string | null;
            /** @description Without the house number. */
            street?: string | null;
            /** @description With its addition; an empty text removes it. */
            house_number?: string | null;
            /** @description The second line of the address; an empty text removes it. */
            address_2?: string | null;
            /** @description As the country writes it. */
            postal_code?: string | null;
            /** @description The town. */
            city?: string | null;
            /** @description E-mail address for messages about the return. */
            email?: string | null;
            /** @description An empty text removes it. */
            phone?: string | null;
        };
        /** @description Customs information about an international return. */
        NewCustoms: {
            /** @description The number of the shop's invoice. */
            invoice_number: string;
            /**
             * @description Whether the goods were a private or a commercial export.
             * @default private
             * @enum {string}
             */
            export_type?: "private" | "commercial_b2c" | "commercial_b2b";
            /** @description The date of the invoice. */
            invoice_date?: string | null;
            /** @description Transport costs, in the currency of the invoice. */
            freight_costs?: string | null;
            /** @description Insurance costs, in the currency of the invoice. */
            insurance_costs?: string | null;
            /** @description Other costs, in the currency of the invoice. */
            other_costs?: string | null;
            /** @description Discount, in the currency of the invoice. */
            discount_granted?: string | null;
            /** @description Anything else for the customs officer. */
            general_notes?: string | null;
        };
        /** @description How the parcel travels back; `option` decides what else is needed. */
        NewDelivery: components["schemas"]["DropOffPoint"] | components["schemas"]["DropOffLabelless"] | components["schemas"]["InStore"] | components["schemas"]["Pickup"];
        /** @description Where the session continues on the other device. */
        NewHandoff: {
            /** @description The page that the link opens: at an allowed origin, or at the origin of this call. Without it, no link. */
            page?: string | null;
        };
        /** @description A picture of an item. */
        NewPhoto: {
            /**
             * @description The `file` that its upload answered in this session.
             * @example up_AX3k0c1cXw
             */
            file: string;
            /** @description The `id` of the item that the picture shows. */
            item: string;
            /** @description Description of the picture. */
            description?: string | null;
        };
        /** @description The shopper's choice of refund. */
        NewRefund: {
            /**
             * @description The `code` of a refund option of the session.
             * @example money
             */
            type: string;
            /** @description Needed where the refund option has `message_required`. */
            message?: string | null;
        };
        /** @description A return as the shopper chose it; the session supplies the rest. */
        NewReturn: {
            /** @description The items that come back. */
            items: components["schemas"]["NewReturnItem"][];
            /** @description The reason of all items that name none themselves. */
            reason?: number | null;
            /** @description The shopper's message to the shop. */
            message?: string | null;
            /** @description Needed where `options.refund_required` says so. */
            refund?: components["schemas"]["NewRefund"] | null;
            /** @description How the parcel travels back. */
            delivery: components["schemas"]["NewDelivery"];
            /**
             * @description In how many parcels, `parcel.max_parcels` of the session at most.
             * @default 1
             */
            parcels?: number;
            /** @description Corrections of the sender's address. */
            contact?: components["schemas"]["NewContact"] | null;
            /** @description For returns that cross a customs border. */
            customs?: components["schemas"]["NewCustoms"] | null;
            /** @description Uploaded pictures of the items. */
            photos?: components["schemas"]["NewPhoto"][] | null;
        };
        /** @description Units of one item; the same item twice is summed. */
        NewReturnItem: {
            /** @description The `id` of the item in the session. */
            id: string;
            /** @description Number of units that come back. */
            quantity: number;
            /** @description The `id` of a reason of the session; needed here or for the whole return. */
            reason?: number | null;
            /** @description The shopper's comment on this item. */
            comment?: string | null;
            /** @description The tariff number, for international returns. */
            hs_code?: string | null;
            /** @description Country of origin (ISO 3166-1 alpha-2), for international returns. */
            origin_country?: string | null;
            /** @description Kilograms of one unit, for international returns. */
            weight?: string | null;
        };
        /** @description A lookup: the order or tracking number, and the postal code that the parcel went to. */
        NewSession: {
            /**
             * @description `cookie` for pages on the service's own site; `body` for apps, servers and pages of other sites.
             * @default cookie
             * @enum {string}
             */
            token_delivery?: "cookie" | "body";
            /**
             * @description The order number or the tracking number.
             * @example LABEL-0001
             */
            identifier: string;
            /**
             * @description The postal code that the parcel was sent to.
             * @example 5611 AA
             */
            postal_code: string;
            /** @description A BCP 47 tag; the session answers in it where the shop speaks it. */
            language?: string | null;
        };
        /** @description One opening interval in the point's own time zone. */
        OpeningHours: {
            /** @description 1 is Monday. */
            weekday: number;
            /**
             * @description When it opens on that day.
             * @example 09:00
             */
            opens: string;
            /**
             * @description When it closes; earlier than `opens` where that is on the next day.
             * @example 17:30
             */
            closes: string;
        };
        /** @description An order of the shop. */
        OrderOfShop: {
            /**
             * @description The shop's number of the order.
             * @example LABEL-0001
             */
            order_number: string;
        };
        /** @description The parcel that went out. */
        Parcel: {
            /** @description As the shop wrote it. */
            order_number: string;
            /** @description As the carrier wrote it. */
            tracking_number: string;
            /** @description The code of the carrier that brought it. */
            carrier: string | null;
            /** @description In how many parcels a return may travel. */
            max_parcels: number;
        };
        /** @description Where a parcel of the return is, as the shipping service told it last. */
        ParcelTracking: {
            /** @description `delivered`: it is back. More words may come: treat an unknown one like `other`. */
            status: "announced" | "in_transit" | "problem" | "delivered" | "cancelled" | "other" | (string & {});
            /** @description The code of the carrier. */
            carrier: string | null;
            /** @description The carrier's tracking number. */
            number: string | null;
            /**
             * Format: date-time
             * @description When the status changed.
             */
            updated_at: string;
        };
        /** @description Which returns of a parcel hold its units. */
        ParcelUnits: {
            /** @description Every return that has a claim on units of the parcel, the oldest first. */
            holders: components["schemas"]["Holder"][];
        };
        /** @description A carrier collects the parcel. */
        Pickup: {
            /**
             * @description How the parcel travels back. (enum property replaced by openapi-typescript)
             * @enum {string}
             */
            option: "pickup";
            /** @description One of the parcel's carriers. */
            carrier?: string | null;
            /** @description The day on which the shopper wants it collected. */
            pickup_date?: string | null;
        };
        /** @description The days on which a courier can be asked for, by the calendar of the shopper's address. */
        PickupWindow: {
            /**
             * Format: date
             * @description The first of them.
             */
            earliest: string;
            /**
             * Format: date
             * @description The last of them.
             */
            latest: string;
        };
        /** @description A shop's public return settings. */
        Portal: {
            brand: components["schemas"]["PortalBrand"];
            /** @description The language of the texts (BCP 47). */
            language: string | null;
            /** @description The languages that the shop speaks. */
            languages: string[];
            /** @description The shop's text for shoppers before they start. */
            helper_text: string | null;
            /** @description The address of a picture. */
            background_image: string | null;
            /** @description Why items may come back. */
            reasons: components["schemas"]["Reason"][];
            /** @description The refunds that the shop offers. */
            refund_options: components["schemas"]["RefundOption"][];
            /** @description How parcels can travel back; a session says which are possible for its parcel. */
            delivery_options: ("drop_off_point" | "drop_off_labelless" | "in_store" | "pickup")[];
            /** @description The price of a return for the shopper. */
            fee: components["schemas"]["Money"] | null;
            /** @description Stores that take items over the counter. */
            stores: components["schemas"]["Store"][];
            /** @description Whether the settings are older than they should be, because the shipping service fails. */
            stale: boolean;
        };
        /** @description The shop's looks and contacts. */
        PortalBrand: {
            /** @description Names the shop in every path. */
            domain: string;
            /** @description The name to show. */
            name: string;
            /** @description `#rrggbb`. */
            color: string | null;
            /** @description `#rrggbb`. */
            secondary_color: string | null;
            /** @description The address of the shop. */
            website: string | null;
            /** @description The address of a picture. */
            logo: string | null;
            /** @description The address of its help page. */
            support_url: string | null;
            /** @description The address of its conditions for returns. */
            return_policy_url: string | null;
            /** @description The shop's e-mail address for shoppers. */
            support_email: string | null;
            /** @description Whether the shop wants the shipping service left unnamed. */
            hide_powered_by: boolean;
        };
        /** @description The check of a body: everything that a creation would be refused for. */
        Preview: {
            /** @description Whether nothing known keeps it from being created. */
            valid: boolean;
            /** @description Everything that would prevent the creation. */
            problems: components["schemas"]["ProblemError"][];
            /** @description The price of the return for the shopper. */
            fee: components["schemas"]["Money"] | null;
            /** @description JSON Pointers to the members that are not there yet: those that are needed, and those that may be. */
            missing: string[];
        };
        /** @description A fault of one member of the request. */
        ProblemError: {
            /** @description A JSON Pointer to the member, or to the parent of one that is missing. */
            pointer: string;
            /** @description Stable code of the fault. */
            code: string;
            /** @description The fault as a sentence. */
            detail: string;
        };
        /** @description The meaning of a problem code. */
        ProblemKind: {
            /** @description As it stands in the problem. */
            code: string;
            /** @description The HTTP status of the answer. */
            status: number;
            /** @description What went wrong. */
            title: string;
            /** @description What helps; the problem document has the same text. */
            detail: string;
            /** @description Whether the same request can succeed later. */
            retryable: boolean;
            /** @description When the problem happens. */
            when: string;
            /** @description Advice for front ends. */
            front_end: string;
            /** @description Method and path of the calls that name it; empty: any call may answer it. */
            calls: string[];
        };
        /** @description Why an item comes back. */
        Reason: {
            /**
             * Format: int64
             * @description Names the reason in a return.
             */
            id: number;
            /** @description In the language of the answer. */
            description: string;
        };
        /** @description The token of a handoff. */
        RedeemedHandoff: {
            /**
             * @description `cookie` for pages on the service's own site; `body` for apps, servers and pages of other sites.
             * @default cookie
             * @enum {string}
             */
            token_delivery?: "cookie" | "body";
            /** @description As it stands in the fragment of the link, after `#handoff=`. */
            token: string;
        };
        /** @description One way to get the money back. */
        RefundOption: {
            /** @description Names the refund in a return; `money`, `credit`, `exchange`, or others that the shop may add. */
            code: string;
            /** @description In the language of the answer. */
            label: string;
            /** @description Whether a return with this refund needs `refund.message`. */
            message_required: boolean;
        };
        /** @description Events that are sent again. */
        ResentEvents: {
            /** @description How many there are. */
            count: number;
        };
        /** @description The outcome of a return, as the shop found it in the shipping service's panel. */
        Resolution: {
            /**
             * @description `accepted`: the return is there; `never-made`: it is not; `cancelled`: it was there and is cancelled now.
             * @enum {string}
             */
            outcome: "accepted" | "never-made" | "cancelled";
            /**
             * @description Whether the panel shows no such return; needed for `never-made`.
             * @default false
             */
            panel_checked?: boolean;
        };
        /** @description A return, and the calls that can be made for it. */
        Return: {
            /**
             * @description Names the return, in every session of its parcel.
             * @example rtn_3vQ1m0bJ9dJxPq4l2Zk7sA
             */
            id: string;
            /** @description The state of the return. */
            state: components["schemas"]["ReturnState"];
            /** @description Grows with each change that the shopper can see. */
            revision: number;
            /**
             * Format: date-time
             * @description When it was asked for.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When it changed last.
             */
            updated_at: string;
            /** @description The items that come back. */
            items: components["schemas"]["ReturnItem"][];
            /** @description How the parcel travels back. */
            delivery: components["schemas"]["ReturnDelivery"];
            /** @description The shipping service's number of the return. */
            sendcloud_return_id: number | null;
            /** @description The parcels in which it travels. */
            parcels: components["schemas"]["ReturnParcel"][];
            /** @description The page on which the shopper has to pay before a label is made. */
            payment_url: string | null;
            label: components["schemas"]["Label"];
            /** @description Its path on this service, where there is one. */
            customs_declaration: string | null;
            /** @description The service point that was chosen, as it was then. */
            drop_off: components["schemas"]["ServicePoint"] | null;
            /** @description The store that was chosen, as it was then. */
            store?: components["schemas"]["Store"] | null;
            /** @description The `code` of the refund that was chosen; null where none was, or where it is not known. */
            refund_type?: string | null;
            /** @description The price of the return as the shop stated it then; null where it is not known. */
            fee?: components["schemas"]["Money"] | null;
            /** @description Seconds until there can be news; null if there will be none. */
            retry_after: number | null;
            /** @description The calls that can be made for the return, with reasons for those that cannot. */
            actions: components["schemas"]["Action"][];
        };
        /** @description How the parcel travels back, as it was chosen. */
        ReturnDelivery: {
            /**
             * @description The way that was chosen.
             * @enum {string}
             */
            option: "drop_off_point" | "drop_off_labelless" | "in_store" | "pickup";
            /** @description The `id` of the service point that was chosen. */
            service_point: number | null;
            /** @description The code of the carrier that was chosen. */
            carrier: string | null;
            /** @description The `id` of the store that was chosen. */
            store: number | null;
            /** @description The day that the shopper asked for. */
            pickup_date: string | null;
        };
        /** @description A return as far as the shopper has chosen; a preview says what is missing. */
        ReturnDraft: {
            /** @description The items that come back. */
            items: components["schemas"]["NewReturnItem"][];
            /** @description The reason of all items that name none themselves. */
            reason?: number | null;
            /** @description The shopper's message to the shop. */
            message?: string | null;
            /** @description Needed where `options.refund_required` says so. */
            refund?: components["schemas"]["NewRefund"] | null;
            /** @description How the parcel travels back. */
            delivery: components["schemas"]["DeliveryDraft"];
            /**
             * @description In how many parcels, `parcel.max_parcels` of the session at most.
             * @default 1
             */
            parcels?: number;
            /** @description Corrections of the sender's address. */
            contact?: components["schemas"]["NewContact"] | null;
            /** @description For returns that cross a customs border. */
            customs?: components["schemas"]["NewCustoms"] | null;
            /** @description Uploaded pictures of the items. */
            photos?: components["schemas"]["NewPhoto"][] | null;
        };
        /** @description Units of one item on their way back. */
        ReturnItem: {
            /** @description The `id` of the item in the session. */
            id: string;
            /** @description The item's name at the shop. */
            name: string;
            /** @description Number of units that come back. */
            quantity: number;
            /** @description The `id` of the reason. */
            reason: number | null;
            /** @description The shopper's comment. */
            comment: string | null;
            /** @description The price of one unit when the return was made; null where it is not known. */
            unit_price?: components["schemas"]["Money"] | null;
        };
        /** @description The shopper's choices. */
        ReturnOptions: {
            /** @description Why items may come back. */
            reasons: components["schemas"]["Reason"][];
            /** @description The refunds that the shopper can choose. */
            refund_options: components["schemas"]["RefundOption"][];
            /** @description Whether a return has to name one of them. */
            refund_required: boolean;
            /** @description How the parcel can travel back. */
            delivery_options: components["schemas"]["DeliveryOption"][];
            /** @description Null where the shop has nothing picked up. */
            pickup: components["schemas"]["PickupWindow"] | null;
            /** @description Stores that take items over the counter. */
            stores: components["schemas"]["Store"][];
            /** @description The price of a return for the shopper. */
            fee: components["schemas"]["Money"] | null;
            /** @description As the shipping service gave them. */
            shipping_method_ids: number[];
            /** @description For shoppers far from any drop-off point. */
            national_carrier: components["schemas"]["NationalCarrier"] | null;
        };
        /** @description One parcel of the return. */
        ReturnParcel: {
            /**
             * Format: int64
             * @description The shipping service's number.
             */
            id: number;
            /** @description Comes with the label. */
            tracking_number: string | null;
            /** @description Where it is; null where the shipping service has not told. */
            tracking?: components["schemas"]["ParcelTracking"] | null;
        };
        /** @description The state of a return. More states may come: treat an unknown one like `label_pending`. */
        ReturnState: "creating" | "outcome_unknown" | "label_pending" | "awaiting_payment" | "label_ready" | "no_label_needed" | "accepted" | "label_lost" | "failed" | (string & {});
        /** @description A place where the shopper can hand the parcel in. */
        ServicePoint: {
            /**
             * Format: int64
             * @description Names the point in a return.
             */
            id: number;
            /** @description The carrier's own name for the point. */
            code: string;
            /** @description The name of the place. */
            name: string;
            /** @description The code of its carrier. */
            carrier: string;
            /** @description Without the house number. */
            street: string;
            /** @description With its addition. */
            house_number: string;
            /** @description As the country writes it. */
            postal_code: string;
            /** @description The town. */
            city: string;
            /** @description ISO 3166-1 alpha-2. */
            country: string;
            /** @description Degrees (WGS 84). */
            latitude: number | null;
            /** @description Degrees (WGS 84). */
            longitude: number | null;
            /** @description Metres from the place that was searched. */
            distance: number | null;
            /** @description The kind of place, in the carrier's words. */
            kind: string | null;
            /** @description Its telephone number. */
            phone: string | null;
            /** @description Whether it is known to open tomorrow. */
            open_tomorrow: boolean;
            /** @description Whether it is known to open in the next seven days. */
            open_upcoming_week: boolean;
            /** @description IANA name; null where it is not known, and then `open_now` is not known either. */
            time_zone: string | null;
            /** @description Hours of the current week, holidays included; closed on weekdays neither here nor in `unknown_weekdays`. */
            opening_hours: components["schemas"]["OpeningHours"][];
            /**
             * @description Weekdays whose hours are not known; 1 is Monday.
             * @default []
             */
            unknown_weekdays?: number[];
            /** @description Null where that is not known. */
            open_now: boolean | null;
            /** @description When it closes, while it is open and known to close this week. */
            closes_at: string | null;
            /** @description When it opens, while it is closed and known to open this week. */
            next_open_at: string | null;
        };
        /** @description Points near a place. */
        ServicePoints: {
            /** @description The nearest first. */
            service_points: components["schemas"]["ServicePoint"][];
            /** @description Whether the points are older than they should be, because the shipping service fails. */
            stale: boolean;
        };
        /** @description Everything the first screen needs. */
        SessionAnswer: {
            /** @description The bearer token, once, where `token_delivery` was `body`. */
            session_token?: string | null;
            /**
             * Format: date-time
             * @description When the session ends.
             */
            expires_at: string;
            brand: components["schemas"]["PortalBrand"];
            parcel: components["schemas"]["Parcel"];
            /** @description The shopper's address. */
            ship_from: components["schemas"]["ShipFrom"];
            /** @description The items of the order. */
            items: components["schemas"]["Item"][];
            options: components["schemas"]["ReturnOptions"];
            drop_off: components["schemas"]["DropOff"];
            /** @description The returns of this parcel, from all of its sessions. */
            returns: components["schemas"]["Return"][];
            /** @description The calls that can be made next, with reasons for those that cannot. */
            actions: components["schemas"]["Action"][];
        };
        /** @description The shopper's address, masked except for city, postal code and country, because a lookup proves little. */
        ShipFrom: {
            /** @description Masked. */
            name: string;
            /** @description Masked. */
            street: string;
            /** @description As the country writes it. */
            postal_code: string;
            /** @description The town. */
            city: string;
            /** @description ISO 3166-1 alpha-2. */
            country: string;
            /** @description Masked. */
            email: string;
            /** @description Masked. */
            phone: string;
        };
        /** @description A return as its shop sees it. */
        ShopReturn: {
            /**
             * @description Names the return.
             * @example rtn_3vQ1m0bJ9dJxPq4l2Zk7sA
             */
            id: string;
            /** @description The state of the return. */
            state: components["schemas"]["ReturnState"];
            /** @description Grows with each change that the shopper can see. */
            revision: number;
            /**
             * Format: date-time
             * @description When it was asked for.
             */
            created_at: string;
            /**
             * Format: date-time
             * @description When it changed last.
             */
            updated_at: string;
            /** @description The items that come back; empty once the content of the return is gone. */
            items: components["schemas"]["ReturnItem"][];
            /** @description How the parcel travels back. */
            delivery: components["schemas"]["ReturnDelivery"];
            /** @description The shipping service's number of the return; null where it is not known. */
            sendcloud_return_id: number | null;
            /** @description The parcels in which it travels. */
            parcels: components["schemas"]["ReturnParcel"][];
            /** @description The `code` of the refund that was chosen; null where none was, or where it is not known. */
            refund_type: string | null;
            /** @description The price of the return as the shop stated it then; null where it is not known. */
            fee: components["schemas"]["Money"] | null;
        };
        /** @description The returns of an order. */
        ShopReturns: {
            /** @description The oldest first. */
            returns: components["schemas"]["ShopReturn"][];
        };
        /** @description A shop that takes returns over the counter. */
        Store: {
            /**
             * Format: int64
             * @description Names the store in a return.
             */
            id: number;
            /** @description The store's name. */
            name: string;
            /** @description Without the house number. */
            street: string;
            /** @description With its addition. */
            house_number: string;
            /** @description As the country writes it. */
            postal_code: string;
            /** @description The town. */
            city: string;
            /** @description The name of the country. */
            country: string;
            /** @description Metres from the parcel's address. */
            distance: number | null;
        };
        /** @description A stored picture. */
        Upload: {
            /** @description Handle of the picture, for `photos` of a return. */
            file: string;
            /** @description The form field that it came in. */
            name: string;
        };
        /** @description The stored pictures; each is forgotten after 48 hours unless a return names it. */
        Uploads: {
            /** @description In the order in which they came. */
            uploads: components["schemas"]["Upload"][];
        };
        /** @description What became of an event of the shipping service. */
        UpstreamEventTaken: {
            /**
             * @description `settled`: a return's outcome is known now; `moved`: a parcel's status; `noted`: a delivery, from which the
             *     shop's window counts; `known`: nothing in it was new; `left_to_people`: the log names returns that a person has to
             *     look at; `ignored`: it is about nothing of ours.
             */
            outcome: "settled" | "moved" | "noted" | "known" | "left_to_people" | "ignored" | (string & {});
        };
        /** @description Why something cannot be done, to show to a shopper; in a language of the request's `Accept-Language`. */
        WhyNotText: {
            /** @description In a few words, without a full stop. */
            title: string;
            /** @description In a sentence. */
            detail: string;
        };
        /** @description A problem document (RFC 9457); clients decide on `code`. */
        Problem: {
            /** @description The address of the page about this problem. */
            type: string;
            /** @description What went wrong, in the language that `Content-Language` names. */
            title: string;
            /** @description The HTTP status of the answer. */
            status: number;
            /** @description What helps, in the same language. */
            detail: string;
            /** @description The path that was called. */
            instance: string;
            /** @description Stable code of the problem. More codes may come. */
            code: "bad-upstream" | "body-too-large" | "body-too-slow" | "brand-not-found" | "claim-lost" | "customs-declaration-not-found" | "file-too-large" | "finding-refused" | "handoff-not-found" | "headers-too-large" | "idempotency-key-invalid" | "idempotency-key-reused" | "internal-error" | "invalid-request" | "label-not-ready" | "malformed-request" | "method-not-allowed" | "no-label" | "not-an-image" | "not-found" | "not-returnable-now" | "not-returnable-online" | "origin-not-allowed" | "overloaded" | "parcel-not-found" | "partner-key-unknown" | "return-in-progress" | "return-not-found" | "return-outcome-unknown" | "return-refused" | "return-released" | "return-still-open" | "service-point-not-found" | "service-point-unavailable" | "session-expired" | "session-required" | "shutting-down" | "signature-invalid" | "temporarily-unavailable" | "too-many-calls" | "too-many-failed-lookups" | "too-many-files" | "too-many-handoffs" | "too-many-lookups" | "two-credentials" | "units-claimed" | "unsupported-media-type" | "upload-too-slow" | "uploads-busy" | "upstream-refused" | "upstream-timeout" | "upstream-unavailable" | (string & {});
            /** @description Whether the same request can succeed later. */
            retryable: boolean;
            /** @description To quote when you report it. */
            request_id: string;
            /**
             * @description Which members of the request are wrong.
             * @default []
             */
            errors?: components["schemas"]["ProblemError"][];
            /**
             * @description Other points of the same carrier, where the chosen one is not available.
             * @default null
             */
            alternatives?: components["schemas"]["ServicePoint"][] | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description For how long the answer may be kept. */
        "Cache-Control": string;
        /** @description The file name of the document. */
        "Content-Disposition": string;
        /** @description The language of the texts. */
        "Content-Language": string;
        /** @description Names this version of the answer, for `If-None-Match`. */
        ETag: string;
        /** @description The path of the return in question, or the shop's hosted return portal. */
        Location: string;
        /** @description For how long the answer was held at most, where `Prefer` asked for it. */
        "Preference-Applied": string;
        /** @description How many lookups are left, and for how long (seconds). */
        RateLimit: string;
        /** @description How many lookups are allowed in how many seconds. */
        "RateLimit-Policy": string;
        /** @description Seconds after which to ask again. */
        "Retry-After": string;
        /** @description The session cookie, or its end. */
        "Set-Cookie": string;
        /** @description The request headers that the answer depends on. */
        Vary: string;
        /** @description How to prove a session: `Bearer`. */
        "WWW-Authenticate": string;
        /** @description Names the request, to quote when you report a problem. */
        "X-Request-Id": string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    getPortal: {
        parameters: {
            query?: {
                /** @description A BCP 47 tag, which counts before Accept-Language; any other text counts as none. */
                language?: string | null;
            };
            header?: {
                /** @description Languages that the shopper reads (RFC 9110). */
                "accept-language"?: string;
                /** @description The `ETag` of a kept answer. */
                "if-none-match"?: string;
            };
            path: {
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "Cache-Control": components["headers"]["Cache-Control"];
                    "Content-Language": components["headers"]["Content-Language"];
                    ETag: components["headers"]["ETag"];
                    Vary: components["headers"]["Vary"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Portal"];
                };
            };
        };
    };
    createSession: {
        parameters: {
            query?: never;
            header?: {
                /** @description A partner's key: its lookups count by partner. */
                "X-Partner-Key"?: string | null;
            };
            path: {
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewSession"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    "Set-Cookie": components["headers"]["Set-Cookie"];
                    Vary: components["headers"]["Vary"];
                    RateLimit: components["headers"]["RateLimit"];
                    "RateLimit-Policy": components["headers"]["RateLimit-Policy"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
        };
    };
    getSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    Vary: components["headers"]["Vary"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
        };
    };
    deleteSession: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            204: {
                headers: {
                    "Set-Cookie": components["headers"]["Set-Cookie"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    createHandoff: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewHandoff"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Handoff"];
                };
            };
        };
    };
    redeemHandoff: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["RedeemedHandoff"];
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    "Set-Cookie": components["headers"]["Set-Cookie"];
                    Vary: components["headers"]["Vary"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
            };
        };
    };
    findServicePoints: {
        parameters: {
            query?: {
                /** @description Degrees, with longitude; the parcel's by default. */
                latitude?: number | null;
                /** @description Degrees, with latitude. */
                longitude?: number | null;
                /** @description Metres. */
                radius?: number;
                /** @description One of the parcel's carriers. */
                carrier?: string | null;
                /** @description Only points known to take parcels without a label. */
                labelless?: boolean;
                /** @description Without the points known to be closed. */
                open_now?: boolean;
                /** @description How many points at most. */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServicePoints"];
                };
            };
        };
    };
    getServicePoint: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `id` of the service point. */
                service_point_id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FreshServicePoint"];
                };
            };
        };
    };
    uploadPhotos: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "multipart/form-data": {
                    /** @description JPEG, PNG, WebP, GIF or HEIC files, each under 10 MB. */
                    photos: string[];
                };
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Uploads"];
                };
            };
        };
    };
    previewReturn: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["ReturnDraft"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Preview"];
                };
            };
        };
    };
    createReturn: {
        parameters: {
            query?: never;
            header: {
                /** @description 16 to 255 visible ASCII characters, quoted or not; kept for this parcel as long as its return. */
                "Idempotency-Key": string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewReturn"];
            };
        };
        responses: {
            /** @description Successful Response */
            202: {
                headers: {
                    Location: components["headers"]["Location"];
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Return"];
                };
            };
        };
    };
    getReturn: {
        parameters: {
            query?: never;
            header?: {
                /** @description `wait=N` holds the answer up to N seconds (55 at most) until there is news. */
                prefer?: string;
            };
            path: {
                /** @description The `id` of the return. */
                return_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "Preference-Applied": components["headers"]["Preference-Applied"];
                    "Retry-After": components["headers"]["Retry-After"];
                    Vary: components["headers"]["Vary"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Return"];
                };
            };
        };
    };
    watchReturn: {
        parameters: {
            query?: never;
            header?: {
                /** @description The revision seen last. */
                "last-event-id"?: string;
            };
            path: {
                /** @description The `id` of the return. */
                return_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One `return` event for each change; its `data` is the return, its `id` the revision. */
            200: {
                headers: {
                    "Cache-Control": components["headers"]["Cache-Control"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": unknown;
                };
            };
            /** @description The state is final and was seen: do not reconnect. */
            204: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    getLabel: {
        parameters: {
            query?: {
                /** @description Whether a browser saves the document, or a web view shows it. */
                disposition?: "attachment" | "inline";
            };
            header?: {
                /** @description `wait=N` holds the answer up to N seconds (55 at most) until there is news. */
                prefer?: string;
            };
            path: {
                /** @description The `id` of the return. */
                return_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The label. */
            200: {
                headers: {
                    "Content-Disposition": components["headers"]["Content-Disposition"];
                    "Preference-Applied": components["headers"]["Preference-Applied"];
                    Vary: components["headers"]["Vary"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/pdf": string;
                };
            };
        };
    };
    getCustomsDeclaration: {
        parameters: {
            query?: {
                /** @description Whether a browser saves the document, or a web view shows it. */
                disposition?: "attachment" | "inline";
            };
            header?: never;
            path: {
                /** @description The `id` of the return. */
                return_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The customs declaration. */
            200: {
                headers: {
                    "Content-Disposition": components["headers"]["Content-Disposition"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/pdf": string;
                };
            };
        };
    };
    getShopReturn: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `id` of the return. */
                return_id: string;
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShopReturn"];
                };
            };
        };
    };
    getParcelUnits: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `id` of the return. */
                return_id: string;
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ParcelUnits"];
                };
            };
        };
    };
    resolveReturn: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `id` of the return. */
                return_id: string;
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Resolution"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShopReturn"];
                };
            };
        };
    };
    eraseReturn: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `id` of the return. */
                return_id: string;
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShopReturn"];
                };
            };
        };
    };
    findReturnsOfOrder: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OrderOfShop"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ShopReturns"];
                };
            };
        };
    };
    eraseReturnsOfOrder: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["OrderOfShop"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ErasedOrder"];
                };
            };
        };
    };
    getDeadEvents: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeadEvents"];
                };
            };
        };
    };
    resendDeadEvents: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ResentEvents"];
                };
            };
        };
    };
    takeUpstreamEvent: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The domain that names the shop. */
                brand: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": Record<string, never>;
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["UpstreamEventTaken"];
                };
            };
        };
    };
    getLiveness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Health"];
                };
            };
        };
    };
    getProblem: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The `code` of a problem. */
                code: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProblemKind"];
                    "text/html": string;
                };
            };
        };
    };
}

/** Method and path of every call. */
export const CALLS = {
  getPortal: ["GET", "/v1/brands/{brand}/portal"],
  createSession: ["POST", "/v1/brands/{brand}/sessions"],
  getSession: ["GET", "/v1/session"],
  deleteSession: ["DELETE", "/v1/session"],
  createHandoff: ["POST", "/v1/session/handoff"],
  redeemHandoff: ["POST", "/v1/handoffs"],
  findServicePoints: ["GET", "/v1/service-points"],
  getServicePoint: ["GET", "/v1/service-points/{service_point_id}"],
  uploadPhotos: ["POST", "/v1/uploads"],
  previewReturn: ["POST", "/v1/returns/preview"],
  createReturn: ["POST", "/v1/returns"],
  getReturn: ["GET", "/v1/returns/{return_id}"],
  watchReturn: ["GET", "/v1/returns/{return_id}/events"],
  getLabel: ["GET", "/v1/returns/{return_id}/label"],
  getCustomsDeclaration: ["GET", "/v1/returns/{return_id}/customs-declaration"],
  getShopReturn: ["GET", "/v1/shops/{brand}/returns/{return_id}"],
  getParcelUnits: ["GET", "/v1/shops/{brand}/returns/{return_id}/units"],
  resolveReturn: ["POST", "/v1/shops/{brand}/returns/{return_id}/resolve"],
  eraseReturn: ["POST", "/v1/shops/{brand}/returns/{return_id}/erase"],
  findReturnsOfOrder: ["POST", "/v1/shops/{brand}/returns/search"],
  eraseReturnsOfOrder: ["POST", "/v1/shops/{brand}/returns/erase"],
  getDeadEvents: ["GET", "/v1/shops/{brand}/dead-events"],
  resendDeadEvents: ["POST", "/v1/shops/{brand}/dead-events/resend"],
  takeUpstreamEvent: ["POST", "/v1/brands/{brand}/upstream-events"],
  getLiveness: ["GET", "/livez"],
  getReadiness: ["GET", "/readyz"],
  getProblem: ["GET", "/problems/{code}"],
} as const;

/** What a problem's `code` can be today; later versions may add to it. */
export type ProblemCode =
  | "bad-upstream"
  | "body-too-large"
  | "body-too-slow"
  | "brand-not-found"
  | "claim-lost"
  | "customs-declaration-not-found"
  | "file-too-large"
  | "finding-refused"
  | "handoff-not-found"
  | "headers-too-large"
  | "idempotency-key-invalid"
  | "idempotency-key-reused"
  | "internal-error"
  | "invalid-request"
  | "label-not-ready"
  | "malformed-request"
  | "method-not-allowed"
  | "no-label"
  | "not-an-image"
  | "not-found"
  | "not-returnable-now"
  | "not-returnable-online"
  | "origin-not-allowed"
  | "overloaded"
  | "parcel-not-found"
  | "partner-key-unknown"
  | "return-in-progress"
  | "return-not-found"
  | "return-outcome-unknown"
  | "return-refused"
  | "return-released"
  | "return-still-open"
  | "service-point-not-found"
  | "service-point-unavailable"
  | "session-expired"
  | "session-required"
  | "shutting-down"
  | "signature-invalid"
  | "temporarily-unavailable"
  | "too-many-calls"
  | "too-many-failed-lookups"
  | "too-many-files"
  | "too-many-handoffs"
  | "too-many-lookups"
  | "two-credentials"
  | "units-claimed"
  | "unsupported-media-type"
  | "upload-too-slow"
  | "uploads-busy"
  | "upstream-refused"
  | "upstream-timeout"
  | "upstream-unavailable";
