//! `ccproxy.file`: files in the plugin's own data folder. Needs the capability `files`.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use mlua::{Lua, MultiValue, Table, Value};

use super::error::ErrorObject;
use crate::args::Args;
use crate::files::{self, Files, Rotation};
use crate::host::Host;

/// Builds the namespace. The folder and its writer come to life with the first use.
pub fn table(lua: &Lua, host: &Arc<Host>) -> mlua::Result<Table> {
    let file = lua.create_table()?;
    let desk = Arc::new(Desk { host: host.clone(), files: OnceLock::new() });

    let owner = desk.clone();
    let append = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("file.append", values);
        let (path, text) = (args.utf8(1)?, args.text(2)?);
        let options = args.options(3, &["max_size", "keep"])?;
        let rotation = Rotation {
            max_size: options.size("max_size")?.unwrap_or(0) as u64,
            keep: options.size("keep")?.unwrap_or(5).min(1000) as u32,
        };
        if text.as_bytes().len() > owner.host.limits.output {
            return ErrorObject::new(400, "file", "the text is larger than the plugin's output limit")
                .pair(lua);
        }
        let files = owner.files()?;
        let path = owner.resolve(files, &args, &path)?;
        if files.append(path, text.as_bytes().to_vec(), rotation) {
            owner.settle(files);
            Ok((Value::Boolean(true), Value::Nil))
        } else {
            let reason = format!("the disk is behind; {} texts were dropped so far", files.dropped());
            ErrorObject::new(503, "file", reason).pair(lua)
        }
    })?;
    let owner = desk.clone();
    let remove = lua.create_function(move |_, values: MultiValue| {
        let args = Args::new("file.remove", values);
        let files = owner.files()?;
        let path = owner.resolve(files, &args, &args.utf8(1)?)?;
        let removed = files.remove(path);
        owner.settle(files);
        Ok(removed)
    })?;
    let owner = desk.clone();
    let list = lua.create_function(move |lua, values: MultiValue| {
        let args = Args::new("file.list", values);
        let files = owner.files()?;
        let folder = match args.text_or_nil(1)? {
            Some(_) => owner.resolve(files, &args, &args.utf8(1)?)?,
            None => files.folder().to_owned(),
        };
        lua.create_sequence_from(files.list(&folder))
    })?;
    let owner = desk.clone();
    let read = lua.create_async_function(move |lua, values: MultiValue| {
        let owner = owner.clone();
        async move {
            let args = Args::new("file.read", values);
            let max_size = args.options(2, &["max_size"])?.size("max_size")?;
            let most = owner.host.limits.output;
            let max_size = max_size.unwrap_or(most).min(most);
            let files = owner.files()?;
            let path = owner.resolve(files, &args, &args.utf8(1)?)?;
            files.flush().await;
            let read = tokio::task::spawn_blocking(move || files::read(&path, max_size)).await;
            match read.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(Some(bytes)) => Ok((Value::String(lua.create_string(bytes)?), Value::Nil)),
                Ok(None) => ErrorObject::new(404, "file", "there is no such file").pair(&lua),
                Err(reason) => ErrorObject::new(500, "file", reason).pair(&lua),
            }
        }
    })?;
    let owner = desk;
    let flush = lua.create_async_function(move |_, ()| {
        let owner = owner.clone();
        async move {
            if let Some(Ok(files)) = owner.files.get() {
                files.flush().await;
            }
            Ok(())
        }
    })?;
    file.set("append", append)?;
    file.set("read", read)?;
    file.set("remove", remove)?;
    file.set("list", list)?;
    file.set("flush", flush)?;
    Ok(file)
}

struct Desk {
    host: Arc<Host>,
    files: OnceLock<Result<Files, String>>,
}

impl Desk {
    fn files(&self) -> mlua::Result<&Files> {
        if !self.host.capabilities.has("files") {
            return Err(mlua::Error::runtime(
                "`ccproxy.file` needs the capability `files`; add it to `capabilities` in the manifest",
            ));
        }
        let files = self.files.get_or_init(|| {
            let Some(context) = &self.host.context else {
                return Err("`ccproxy.file` is not available while the manifest is read".to_owned());
            };
            let allowed = self.host.paths.iter().map(PathBuf::from).collect();
            Files::new(&self.host.plugin, context.data_dir.clone(), allowed)
                .map_err(|error| error.to_string())
        });
        files.as_ref().map_err(|reason| mlua::Error::runtime(reason.clone()))
    }

    /// On a clock of a test: what was written is there, whoever looks next.
    fn settle(&self, files: &Files) {
        if self.host.context.as_ref().is_some_and(|context| context.store.clock().is_set()) {
            files.finish();
        }
    }

    fn resolve(&self, files: &Files, args: &Args, path: &str) -> mlua::Result<PathBuf> {
        files.resolve(path).map_err(|reason| args.refuse(1, &reason))
    }
}
