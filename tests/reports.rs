//! 邹全办 as residents have it: the page, a report, its number, what officers make of it; on the real binary.

use std::time::Duration;

use reqwest::{
    StatusCode,
    multipart::{Form, Part},
    redirect::Policy,
};
use serde_json::{Value, json};

use crate::world::{Gateway, Launch, Receiver, Site, wait_for};
