//! The OpenAPI 3.1 document of the web, from the table of its addresses.

use schemars::{JsonSchema, Schema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use super::{
    account_routes::{AllAccounts, AskedAccount, OwnPassword, WallConfirmed, WallSecret},
    accounts::AccountChange,
    desk_view::{NewButton, NewCamera},
    entrance::{FirstAccount, LogIn, SessionName},
    route_list::ROUTES,
    route_table::{BodyShape, Route, Who},
    token_routes::{AskedToken, MadeToken},
};
use crate::domain::{EventData, PostureOrder, Reply};

/// The document.
pub fn api_schema() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths = Map::new();
    for route in ROUTES {
        let method = route.method.to_lowercase();
        let said = operation(route, &mut generator);
        let all = paths.entry(route.path).or_insert_with(|| json!({}));
        all[method] = said;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "gridpost 网格哨所",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "The web API of one police room. Errors are {\"error\": text}.",
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "gridpost",
                    "description": "__Host-gridpost over TLS",
                },
            },
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let ok = match route.gives {
        BodyShape::Nothing => json!({ "204": { "description": "done" } }),
        gives => json!({
            "200": { "description": route.about, "content": content(gives, generator) },
        }),
    };
    let mut said = json!({
        "summary": route.about,
        "operationId": format!("{:?}", route.id),
        "parameters": parameters(route),
        "responses": ok,
    });
    said["responses"]["default"] = json!({
        "description": "not done, and why",
        "content": { "application/json": { "schema": {
            "type": "object",
            "properties": { "error": { "type": "string" } },
            "required": ["error"],
        } } },
    });
    if route.takes != BodyShape::Nothing {
        said["requestBody"] =
            json!({ "required": true, "content": content(route.takes, generator) });
    }
    match route.who {
        Who::Anybody => said["security"] = json!([]),
        Who::Platform => {
            said["security"] = json!([{ "token": [] }]);
            said["description"] = "the token of this platform alone".into();
        }
        Who::OpenOnLoopback(roles, scope) | Who::Inside(roles, scope) => {
            said["security"] = json!([{ "token": [] }, { "session": [] }]);
            said["x-roles"] = json!(roles);
            said["x-scope"] = json!(scope);
        }
    }
    if matches!(route.who, Who::OpenOnLoopback(..)) {
        said["description"] = "open to anybody where the web listens on loopback".into();
    }
    said
}

fn parameters(route: &Route) -> Vec<Value> {
    let text = json!({ "type": "string" });
    let in_path = route.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let in_path =
        in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text }));
    let in_query = route.query.iter().map(|(name, expected)| {
        json!({ "name": name, "in": "query", "description": expected, "schema": text })
    });
    in_path.chain(in_query).collect()
}

fn content(shape: BodyShape, generator: &mut SchemaGenerator) -> Value {
    match shape {
        BodyShape::Nothing => json!({}),
        BodyShape::Json(name) => {
            json!({ "application/json": { "schema": schema(name, generator) } })
        }
        BodyShape::JsonOrForm(name) => json!({
            "application/json": { "schema": schema(name, generator) },
            "multipart/form-data": { "schema": {
                "type": "object",
                "properties": {
                    "reply": schema(name, generator),
                    "picture": { "type": "string", "format": "binary" },
                },
                "required": ["reply"],
            } },
        }),
        BodyShape::File(media_type) => json!({ media_type: {} }),
        BodyShape::Socket(name) => json!({ "application/json": {
            "schema": schema(name, generator),
            "x-websocket": true,
        } }),
    }
}

fn schema(name: &str, generator: &mut SchemaGenerator) -> Schema {
    fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T>()
    }
    let list = |name: &str, one: Schema| json!({ "type": "object", "properties": { name: { "type": "array", "items": one } } });
    let value = match name {
        "Reply" => return of::<Reply>(generator),
        "PostureOrder" => return of::<PostureOrder>(generator),
        "Incident" => return of::<EventData>(generator),
        "LogIn" => return of::<LogIn>(generator),
        "FirstAccount" => return of::<FirstAccount>(generator),
        "SessionName" => return of::<SessionName>(generator),
        "NewAccount" => return of::<AskedAccount>(generator),
        "AccountChange" => return of::<AccountChange>(generator),
        "Accounts" => return of::<AllAccounts>(generator),
        "OwnPassword" => return of::<OwnPassword>(generator),
        "NewCamera" => return of::<NewCamera>(generator),
        "NewButton" => return of::<NewButton>(generator),
        "NewToken" => return of::<AskedToken>(generator),
        "MadeToken" => return of::<MadeToken>(generator),
        "WallSecret" => return of::<WallSecret>(generator),
        "WallConfirmed" => return of::<WallConfirmed>(generator),
        "Incidents" => list("incidents", of::<EventData>(generator)),
        "Postures" => list("postures", json_schema(json!({ "type": "string" }))),
        // Told in words in the contract.
        _ => json!({ "type": "object", "title": name }),
    };
    json_schema(value)
}

fn json_schema(value: Value) -> Schema {
    Schema::try_from(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_in_it_and_says_who_may() {
        let document = api_schema();
        for route in ROUTES {
            let said = &document["paths"][route.path][route.method.to_lowercase()];
            assert_eq!(said["summary"], route.about, "{}", route.path);
            let open = matches!(route.who, Who::Anybody);
            assert_eq!(said["security"].as_array().unwrap().is_empty(), open, "{}", route.path);
        }
        let text = document.to_string();
        for (at, _) in text.match_indices("#/components/schemas/") {
            let name: String =
                text[at + 21..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(document["components"]["schemas"][&name].is_object(), "{name}");
        }
    }
}
