//! `glioscope serve`: the application, with its workers.

mod workers;

use std::time::Duration;

use server::accounts::rows;
use server::app::App;
use server::config::{Config, Demo, Tls};
use server::frame::listen::{self, Port};
use server::frame::log;

use crate::Outcome;
use crate::args::{Everywhere, Serve};
use crate::commands::place::block_on;
use crate::interrupt::Interrupt;
use crate::show::{self, Show};
use workers::{Like, Workers};

pub(crate) fn run(args: &Serve, everywhere: Everywhere, show: Show, interrupt: &Interrupt) -> anyhow::Result<Outcome> {
    let mut config = config(args)?;
    if args.print_config {
        show::result(&config.shown()?)?;
        return Ok(Outcome::Done);
    }
    log::start(&config.log)?;
    let port = Port::open(&mut config)?;
    let like = Like::of(&args.place, everywhere);
    block_on(serve(&like, config, port, (show, interrupt)))?;
    Ok(Outcome::Done) // to be asked to end is how a server ends well
}

fn config(args: &Serve) -> anyhow::Result<Config> {
    let mut flags = args.place.flags();
    flags.listen = args.listen;
    flags.hosts.clone_from(&args.hosts);
    flags.proxy = args.proxy.then_some(true);
    flags.runs.clone_from(&args.runs);
    flags.demo = args.no_demo.then_some(Demo::None);
    flags.tls = match (&args.tls_cert, &args.tls_key) {
        (Some(certificate), Some(key)) => Some(Tls { certificate: certificate.clone(), key: key.clone() }),
        _ => None,
    };
    Ok(Config::read(&flags)?)
}

async fn serve(like: &Like, config: Config, port: Port, (show, interrupt): (Show, &Interrupt)) -> anyhow::Result<()> {
    let app = App::open(config).await?;
    let router = server::app(app.clone());
    server::tend(&app).await?;
    greet(&app, show).await?;
    let workers = Workers::start(like, &app);
    let stopping = async {
        while !interrupt.is_asked() {
            tokio::time::sleep(Duration::from_millis(100)).await; // a signal sets a flag and wakes nobody
        }
        app.closing.cancel();
    };
    let (served, ()) = tokio::join!(
        async {
            let served = listen::serve(&app, router, port).await;
            app.closing.cancel(); // also where it ended by itself
            served
        },
        async { app.closing.run_until_cancelled(stopping).await.unwrap_or_default() }
    );
    workers.end().await;
    app.db.close().await?;
    Ok(served?)
}

/// Says where the page is, and how to come in.
async fn greet(app: &App, show: Show) -> anyhow::Result<()> {
    let scheme = if app.config.tls.is_some() { "https" } else { "http" };
    let host = app.config.hosts.first().filter(|_| !app.config.listen.ip().is_loopback());
    let place = match host {
        Some(host) => format!("{host}:{}", app.config.listen.port()),
        None => app.config.listen.to_string(),
    };
    let demanded = !app.config.is_local() || rows::any_user(&app.db).await?;
    if demanded {
        show::result(&format!("Glioscope is at {scheme}://{place}/"))?;
        if !rows::any_user(&app.db).await? {
            show.warn("nobody can log in yet: make an account with `glioscope user add NAME --role admin`");
        }
        if app.config.hosts.is_empty() && !app.config.is_local() {
            show.warn("the server goes by no name but localhost and its address: name it with --host NAME");
        }
    } else {
        let mut links = app.accounts.entry.watch();
        let first = links.borrow_and_update().clone();
        show::result(&format!("Glioscope is at {scheme}://{place}/enter?token={first}"))?;
        show.note("(the link lets one browser in; the next one is printed when it was used)");
        tokio::spawn(async move {
            while links.changed().await.is_ok() {
                let next = links.borrow_and_update().clone();
                show.note(format_args!("for another browser: {scheme}://{place}/enter?token={next}"));
            }
        });
    }
    show::notice()?;
    show.note(format_args!("data: {}   end: Ctrl-C", app.config.data.display()));
    Ok(())
}
