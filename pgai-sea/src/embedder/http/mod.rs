//! HTTP for all providers: one client, keys that are never shown, and what a response's status means.

mod advice;
mod base_url;
mod client;
mod endpoint;
mod fields;
mod message;
mod rejection;
mod retry_after;
mod secret;

pub(crate) use self::base_url::{BaseUrl, without_end};
pub(crate) use self::endpoint::{ApiResponse, Auth, Endpoint, room_for};
pub(crate) use self::fields::Fields;
pub(crate) use self::rejection::Rejection;
pub(crate) use self::secret::Secret;
