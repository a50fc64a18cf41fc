//! nginx with one worker, keep-alive to the upstream, no logs and no buffering of streams; with the
//! Lua module, the same header work as the two plugins of ccproxy does.

use std::fs;
use std::path::{Path, PathBuf};

use super::Stage;
use crate::Outcome;

/// Where distributions put loadable modules.
const MODULES: [&str; 3] = ["/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/etc/nginx/modules"];

const LUA: &str = r#"
      access_by_lua_block {
        local headers = ngx.req.get_headers()
        local team = headers["x-team"] or "none"
        local app = headers["x-app"] or "none"
        local version = headers["anthropic-version"] or "none"
        ngx.req.set_header("x-label", team .. "/" .. app .. "/" .. version)
      }
      header_filter_by_lua_block {
        ngx.header["x-stamp"] = ngx.header["request-id"] or "none"
      }"#;

pub(super) fn command(stage: &Stage<'_>, port: u16, lua: bool) -> Outcome<Option<Vec<String>>> {
    let Some(nginx) = find("nginx") else { return Ok(None) };
    let mut modules = String::new();
    if lua {
        let names = ["ndk_http_module.so", "ngx_http_lua_module.so"];
        let Some(folder) = MODULES.iter().map(Path::new).find(|folder| folder.join(names[1]).exists()) else {
            return Ok(None);
        };
        for name in names {
            modules += &format!("load_module {};\n", folder.join(name).display());
        }
    }
    let folder = stage.folder.join(if lua { "nginx-lua" } else { "nginx" });
    fs::create_dir_all(folder.join("temp"))?;
    let config = folder.join("nginx.conf");
    fs::write(&config, text(&folder, &modules, stage.upstream, port, if lua { LUA } else { "" }))?;
    let words = [nginx.display().to_string(), "-e".into(), "stderr".into(), "-p".into()];
    let mut command = words.to_vec();
    command.extend([folder.display().to_string(), "-c".into(), config.display().to_string()]);
    Ok(Some(command))
}

fn text(folder: &Path, modules: &str, upstream: u16, port: u16, lua: &str) -> String {
    let temp = folder.join("temp").display().to_string();
    format!(
        "{modules}
daemon off;
master_process off;
pid {temp}/nginx.pid;
error_log stderr crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {temp}/body;
  proxy_temp_path {temp}/proxy;
  fastcgi_temp_path {temp}/fastcgi;
  uwsgi_temp_path {temp}/uwsgi;
  scgi_temp_path {temp}/scgi;
  client_body_buffer_size 1m;
  client_max_body_size 64m;
  keepalive_requests 1000000;
  tcp_nodelay on;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{{lua}
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_buffering off;
    }}
  }}
}}
"
    )
}

/// The program on PATH, or where system administrators' programs live.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(system).map(|folder| folder.join(name)).find(|path| path.is_file())
}
