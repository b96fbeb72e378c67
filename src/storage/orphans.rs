//! What is in the store, and how to take it out.

use chrono::{DateTime, Utc};
use futures::stream::{BoxStream, StreamExt};
use object_store::ObjectStoreExt;
use object_store::path::Path as ObjectPath;

use super::{Object, Storage};
use crate::error::{Error, Result};

impl Storage {
    /// Every object of the store with the time when it came in.
    pub fn list(&self) -> BoxStream<'static, Result<(Object, DateTime<Utc>)>> {
        let prefix = ObjectPath::from("objects");
        let found = self.store.list(Some(&prefix)).filter_map(|meta| async move {
            match meta {
                Ok(meta) => Object::at(meta.location.as_ref(), meta.size).map(|object| Ok((object, meta.last_modified))),
                Err(cause) => Some(Err(Error::from(cause))),
            }
        });
        found.boxed()
    }

    /// Takes an object out of the store; one that is gone already is fine.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn remove(&self, object: &Object) -> Result<()> {
        match self.store.delete(&ObjectPath::from(object.path())).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(other) => Err(other.into()),
        }
    }
}
