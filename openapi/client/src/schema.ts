// Written by `make openapi` from ../bff.json.
export interface paths {
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
         * @description Forgets the tokens and the personal data at once; returns and what they claim stay.
         */
        delete: operations["deleteSession"];
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
    "/v1/brands/{brand}/portal": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Get Portal
         * @description The shop's colours, texts, reasons, refunds and ways back, in a language it speaks.
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
        /** @description A call, and whether it can be made now; `why_not` is a problem code or `nothing-left-to-return`. */
        Action: {
            name: string;
            /** @enum {string} */
            method: "GET" | "POST" | "DELETE";
            href: string;
            allowed: boolean;
            why_not?: string | null;
        };
        /** @description A carrier that brings parcels back. */
        Carrier: {
            code: string;
            name: string;
            logo: string | null;
        };
        /** @description One way to send the parcel back, and the members that the body of a return then needs. */
        DeliveryOption: {
            /** @enum {string} */
            code: "drop_off_point" | "drop_off_labelless" | "in_store" | "pickup";
            needs: ("service_point" | "carrier" | "store" | "pickup_date")[];
            accepts: ("service_point" | "carrier" | "store" | "pickup_date")[];
            possible: boolean;
            why_not: string | null;
        };
        /** @description Where the parcel can be handed in nearby. */
        DropOff: {
            nearest: components["schemas"]["ServicePoint"] | null;
            nearest_labelless: components["schemas"]["ServicePoint"] | null;
            carriers: components["schemas"]["Carrier"][];
        };
        /** @description A point as it is now, and whether it takes parcels. */
        FreshServicePoint: {
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
            /** @default [] */
            unknown_weekdays?: number[];
            open_now: boolean | null;
            closes_at: string | null;
            next_open_at: string | null;
            available: boolean;
        };
        /** @description A link to continue this session on another device, once and before it expires. */
        Handoff: {
            token: string;
            /** @description The page with the token in its fragment, which browsers send to no server. */
            link: string | null;
            /** @description The link as a picture: a data URI of an SVG image. */
            qr_code: string | null;
            /** Format: date-time */
            expires_at: string;
        };
        /** @description The process answers. */
        Health: {
            /**
             * @default ok
             * @constant
             */
            status?: "ok";
        };
        /** @description An item of the order; `remaining` units can still be returned. */
        Item: {
            /** @description Opaque; names the line, in every session of the parcel the same. */
            id: string;
            /**
             * @description As the shipping service says it; may be empty or shared by items.
             * @default
             */
            product_id?: string;
            name: string;
            image_url: string | null;
            unit_price: components["schemas"]["Money"] | null;
            quantity: number;
            returnable: boolean;
            why_not?: string | null;
            remaining: number;
        };
        /** @description The document to print or to show; `href` only while it can be fetched. */
        Label: {
            /** @enum {string} */
            state: "pending" | "ready" | "not_needed" | "unavailable";
            href: string | null;
            expires_at: string | null;
            /** @default false */
            delayed?: boolean;
        };
        /** @description An amount; the currency only where upstream states it. */
        Money: {
            /** @example 29.95 */
            amount: string;
            currency?: string | null;
        };
        /** @description The national postal carrier, for shoppers far from any drop-off point. */
        NationalCarrier: {
            code: string | null;
            name: string;
            drop_off_finder: string | null;
            contact: string | null;
        };
        /**
         * @description Corrections of the address that the parcel went to; absent members stay. The country cannot change.
         *
         *     An empty text empties company, second line and phone.
         */
        NewContact: {
            name?: string | null;
            company_name?: string | null;
            street?: string | null;
            house_number?: string | null;
            address_2?: string | null;
            postal_code?: string | null;
            city?: string | null;
            email?: string | null;
            phone?: string | null;
        };
        /** @description Customs information about an international return. */
        NewCustoms: {
            invoice_number: string;
            /**
             * @default private
             * @enum {string}
             */
            export_type?: "private" | "commercial_b2c" | "commercial_b2b";
            invoice_date?: string | null;
            freight_costs?: string | null;
            insurance_costs?: string | null;
            other_costs?: string | null;
            discount_granted?: string | null;
            general_notes?: string | null;
        };
        /** @description How the parcel travels back. */
        NewDelivery: {
            /** @enum {string} */
            option: "drop_off_point" | "drop_off_labelless" | "in_store" | "pickup";
            service_point?: number | null;
            carrier?: string | null;
            store?: number | null;
            pickup_date?: string | null;
        };
        /** @description The page on which the other device goes on: at an allowed origin, or at the one this call comes from. */
        NewHandoff: {
            page?: string | null;
        };
        /** @description A picture of an item, named by the handle that its upload got in this session. */
        NewPhoto: {
            /** @example up_AX3k0c1cXw */
            file: string;
            item: string;
            description?: string | null;
        };
        /** @description How the shopper wants the money back. */
        NewRefund: {
            /** @example money */
            type: string;
            message?: string | null;
        };
        /** @description A return as the shopper chose it; the session supplies the rest. */
        NewReturn: {
            items: components["schemas"]["NewReturnItem"][];
            reason?: number | null;
            message?: string | null;
            refund?: components["schemas"]["NewRefund"] | null;
            delivery: components["schemas"]["NewDelivery"];
            /** @default 1 */
            parcels?: number;
            contact?: components["schemas"]["NewContact"] | null;
            customs?: components["schemas"]["NewCustoms"] | null;
            photos?: components["schemas"]["NewPhoto"][] | null;
        };
        /** @description Units of one item; the same item twice is summed. */
        NewReturnItem: {
            id: string;
            quantity: number;
            reason?: number | null;
            comment?: string | null;
            hs_code?: string | null;
            origin_country?: string | null;
            weight?: string | null;
        };
        /** @description A lookup: the order or tracking number, and the postal code that the parcel went to. */
        NewSession: {
            /**
             * @default cookie
             * @enum {string}
             */
            token_delivery?: "cookie" | "body";
            /** @example LABEL-0001 */
            identifier: string;
            /** @example 5611 AA */
            postal_code: string;
            language?: string | null;
        };
        /** @description One opening interval in the point's own time zone; weekday 1 is Monday. */
        OpeningHours: {
            weekday: number;
            /** @example 09:00 */
            opens: string;
            /** @example 17:30 */
            closes: string;
        };
        /** @description The shopper's choices. */
        Options: {
            reasons: components["schemas"]["Reason"][];
            refund_options: components["schemas"]["RefundOption"][];
            refund_required: boolean;
            delivery_options: components["schemas"]["DeliveryOption"][];
            pickup: components["schemas"]["PickupWindow"] | null;
            stores: components["schemas"]["Store"][];
            fee: components["schemas"]["Money"] | null;
            shipping_method_ids: number[];
            national_carrier: components["schemas"]["NationalCarrier"] | null;
        };
        /** @description The parcel that went out. */
        Parcel: {
            order_number: string;
            tracking_number: string;
            carrier: string | null;
            max_parcels: number;
        };
        /** @description The days on which a courier can be asked for, both included, by the calendar of the shopper's address. */
        PickupWindow: {
            /** Format: date */
            earliest: string;
            /** Format: date */
            latest: string;
        };
        /** @description A shop's public return settings. */
        Portal: {
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
        };
        /** @description How the shop looks and where it can be reached. */
        PortalBrand: {
            domain: string;
            name: string;
            color: string | null;
            secondary_color: string | null;
            website: string | null;
            logo: string | null;
            support_url: string | null;
            return_policy_url: string | null;
            support_email: string | null;
            hide_powered_by: boolean;
        };
        /** @description What a creation with this body would be refused for; `missing` points at members that are still absent. */
        Preview: {
            valid: boolean;
            problems: components["schemas"]["ProblemError"][];
            fee: components["schemas"]["Money"] | null;
            missing: string[];
        };
        /** @description A fault of one member of the request. */
        ProblemError: {
            pointer: string;
            code: string;
            detail: string;
        };
        /** @description The meaning of a problem code. */
        ProblemKind: {
            code: string;
            status: number;
            title: string;
            /** @description What helps; the problem document has the same text. */
            detail: string;
            retryable: boolean;
            /** @description What has happened. */
            when: string;
            /** @description What a front end does about it. */
            front_end: string;
            /** @description Method and path of the calls that name it; empty: any call may answer it. */
            calls: string[];
        };
        /** @description Why an item comes back, in the language of the answer. */
        Reason: {
            id: number;
            description: string;
        };
        /** @description The token of a handoff, from the fragment of its link. */
        RedeemedHandoff: {
            /**
             * @default cookie
             * @enum {string}
             */
            token_delivery?: "cookie" | "body";
            token: string;
        };
        /** @description One way to get the money back. */
        RefundOption: {
            code: string;
            label: string;
            message_required: boolean;
        };
        /** @description A return, and the calls that can be made for it. */
        Return: {
            /** @example rtn_3vQ1m0bJ9dJxPq4l2Zk7sA */
            id: string;
            state: components["schemas"]["ReturnState"];
            revision: number;
            /** Format: date-time */
            created_at: string;
            /** Format: date-time */
            updated_at: string;
            items: components["schemas"]["ReturnItem"][];
            delivery: components["schemas"]["ReturnDelivery"];
            sendcloud_return_id: number | null;
            parcels: components["schemas"]["ReturnParcel"][];
            payment_url: string | null;
            label: components["schemas"]["Label"];
            customs_declaration: string | null;
            drop_off: components["schemas"]["ServicePoint"] | null;
            retry_after: number | null;
            actions: components["schemas"]["Action"][];
        };
        /** @description How the parcel travels back, as it was chosen. */
        ReturnDelivery: {
            /** @enum {string} */
            option: "drop_off_point" | "drop_off_labelless" | "in_store" | "pickup";
            service_point: number | null;
            carrier: string | null;
            store: number | null;
            pickup_date: string | null;
        };
        /** @description Units of one item on their way back. */
        ReturnItem: {
            id: string;
            name: string;
            quantity: number;
            reason: number | null;
            comment: string | null;
        };
        /** @description One parcel of the return; its tracking number comes with the label. */
        ReturnParcel: {
            id: number;
            tracking_number: string | null;
        };
        /**
         * @description The state of a return. More states may come: treat an unknown one like `label_pending`.
         * @enum {string}
         */
        ReturnState: "creating" | "outcome_unknown" | "label_pending" | "awaiting_payment" | "label_ready" | "no_label_needed" | "accepted" | "label_lost" | "failed";
        /** @description Where a parcel can be handed in; `distance` in metres. */
        ServicePoint: {
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
            /** @default [] */
            unknown_weekdays?: number[];
            open_now: boolean | null;
            closes_at: string | null;
            next_open_at: string | null;
        };
        /** @description Points near a place, nearest first. */
        ServicePoints: {
            service_points: components["schemas"]["ServicePoint"][];
            stale: boolean;
        };
        /** @description Everything the first screen needs. */
        SessionAnswer: {
            session_token?: string | null;
            /** Format: date-time */
            expires_at: string;
            brand: components["schemas"]["PortalBrand"];
            parcel: components["schemas"]["Parcel"];
            ship_from: components["schemas"]["ShipFrom"];
            items: components["schemas"]["Item"][];
            options: components["schemas"]["Options"];
            drop_off: components["schemas"]["DropOff"];
            returns: components["schemas"]["Return"][];
            actions: components["schemas"]["Action"][];
        };
        /** @description The shopper's address, masked except for city, postal code and country, because a lookup proves little. */
        ShipFrom: {
            name: string;
            street: string;
            postal_code: string;
            city: string;
            country: string;
            email: string;
            phone: string;
        };
        /** @description A shop that takes returns over the counter; `distance` in metres from the parcel's address. */
        Store: {
            id: number;
            name: string;
            street: string;
            house_number: string;
            postal_code: string;
            city: string;
            country: string;
            distance: number | null;
        };
        /** @description A stored picture: `photos` of a return names it by `file`; `name` is the form field it came in. */
        Upload: {
            file: string;
            name: string;
        };
        /** @description The stored pictures in their order; each is forgotten after 48 hours unless a return names it. */
        Uploads: {
            uploads: components["schemas"]["Upload"][];
        };
        /** @description RFC 9457 problem document; clients decide on `code`. */
        Problem: {
            type: string;
            title: string;
            status: number;
            detail: string;
            instance: string;
            code: string;
            retryable: boolean;
            request_id: string;
            /** @default [] */
            errors?: components["schemas"]["ProblemError"][];
            /** @default null */
            alternatives?: components["schemas"]["ServicePoint"][] | null;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
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
                    [name: string]: unknown;
                };
                content?: never;
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
                return_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
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
                return_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description One `return` event for each change. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "text/event-stream": unknown;
                };
            };
            /** @description The state is final and was seen: do not reconnect. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
        };
    };
    getServicePoint: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                service_point_id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["FreshServicePoint"];
                };
            };
        };
    };
    getPortal: {
        parameters: {
            query?: {
                /** @description Beats Accept-Language. */
                language?: string | null;
            };
            header?: {
                "accept-language"?: string;
                "if-none-match"?: string;
            };
            path: {
                brand: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
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
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SessionAnswer"];
                };
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
                /** @description With longitude; the parcel's by default. */
                latitude?: number | null;
                longitude?: number | null;
                /** @description Metres. */
                radius?: number;
                /** @description One of the parcel's carriers. */
                carrier?: string | null;
                /** @description Only points known to take parcels without a label. */
                labelless?: boolean;
                /** @description Without the points known to be closed. */
                open_now?: boolean;
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
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ServicePoints"];
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
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Return"];
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
                "application/json": components["schemas"]["NewReturn"];
            };
        };
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Preview"];
                };
            };
        };
    };
    getLabel: {
        parameters: {
            query?: never;
            header?: {
                /** @description `wait=N` holds the answer up to N seconds (55 at most) until there is news. */
                prefer?: string;
            };
            path: {
                return_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The label. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/pdf": unknown;
                };
            };
        };
    };
    getCustomsDeclaration: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                return_id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The customs declaration. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/pdf": unknown;
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
                    [key: string]: string;
                };
            };
        };
        responses: {
            /** @description Successful Response */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["Uploads"];
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
                code: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Successful Response */
            200: {
                headers: {
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
  getSession: ["GET", "/v1/session"],
  deleteSession: ["DELETE", "/v1/session"],
  getReturn: ["GET", "/v1/returns/{return_id}"],
  watchReturn: ["GET", "/v1/returns/{return_id}/events"],
  getServicePoint: ["GET", "/v1/service-points/{service_point_id}"],
  getPortal: ["GET", "/v1/brands/{brand}/portal"],
  createSession: ["POST", "/v1/brands/{brand}/sessions"],
  createHandoff: ["POST", "/v1/session/handoff"],
  redeemHandoff: ["POST", "/v1/handoffs"],
  findServicePoints: ["GET", "/v1/service-points"],
  createReturn: ["POST", "/v1/returns"],
  previewReturn: ["POST", "/v1/returns/preview"],
  getLabel: ["GET", "/v1/returns/{return_id}/label"],
  getCustomsDeclaration: ["GET", "/v1/returns/{return_id}/customs-declaration"],
  uploadPhotos: ["POST", "/v1/uploads"],
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
  | "service-point-not-found"
  | "service-point-unavailable"
  | "session-expired"
  | "session-required"
  | "shutting-down"
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
