//! Signed URLs: from what a client asks for to the address that opens it.

use chrono::{DateTime, Utc};

use super::App;
use crate::access;
use crate::catalog;
use crate::error::{Error, Result};
use crate::identity::Caller;
use crate::identity::signed_urls::{Lifetime, SignedUrl};
use crate::read::{Export, Target, TargetFile};
use crate::release::Release;

/// A signed URL, and what it opens.
pub struct Signed {
    /// Its path, from the root of the service.
    pub path: String,
    /// What it opens.
    pub target: Target,
    /// When it ends.
    pub until: DateTime<Utc>,
}

impl App {
    /// Signs a URL for one file that the caller may read under a grant. The grant's release is made where it is missing.
    ///
    /// # Errors
    /// When the caller may not read it, or there is no such file.
    pub async fn sign_url(
        &self,
        caller: &Caller,
        slug: &str,
        version: Option<i32>,
        file: TargetFile,
        lifetime: Lifetime,
    ) -> Result<Signed> {
        let (who, name, read) = (caller.clone(), slug.to_owned(), file.read(version));
        let pass = self.db.write(move |conn| access::check_signable(conn, &who, &name, &read)).await??;
        let (release, _made) = Box::pin(self.release_of(pass, version)).await?;
        self.require_file(&release, &file).await.map_err(Error::in_body)?;
        let target = Target { slug: slug.to_owned(), version: release.version(), file };
        let url = SignedUrl::new(caller, serde_json::to_value(&target)?, lifetime)?;
        let path = format!("/api/v1/signed/{}/{}", self.url_key.sign(&url)?, target.file_name());
        let (who, until) = (caller.clone(), url.until);
        let (name, read, form) = (target.slug.clone(), target.file.read(Some(target.version)), target.file.form());
        // To make the release may have taken a while, in which the grant may have ended.
        self.db.write(move |conn| access::record_signed(conn, &who, &name, (&read, form.as_deref()), &url)).await??;
        Ok(Signed { path, target, until })
    }

    /// Checks that the release has the file, or can be had like that.
    async fn require_file(&self, release: &Release, file: &TargetFile) -> Result<()> {
        match file {
            TargetFile::Release { format, spreadsheet } => Export { spreadsheet: *spreadsheet, ..Export::plain(*format) }.check(release),
            TargetFile::File { path } => {
                let (parts, path) = (release.parts().to_vec(), path.clone());
                self.db.read(move |conn| catalog::find_member(conn, &parts, &path)).await.map(|_member| ())
            }
            TargetFile::Archive {} => release.require_collection(),
        }
    }
}
