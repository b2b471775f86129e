//! A network that is broken on purpose, in front of a real server: hangs, closes, answers by halves, and is mended.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::free_port;

/// What becomes of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nobody listens.
    Refuse,
    /// Taken, read, never answered.
    Hang,
    /// Half of an HTTP answer, then nothing.
    Half,
    /// Closed at the first bytes.
    Close,
    /// A broker that takes us in (CONNACK) and acknowledges nothing.
    TakeAll,
    /// A broker that takes us in and goes away at the first publication.
    CloseLater,
    /// To the real server.
    Pass,
}

pub(crate) struct Fault {
    pub(crate) port: u16,
    mode: watch::Sender<Mode>,
}

impl Fault {
    pub(crate) fn start(mode: Mode, target: u16) -> Self {
        let port = free_port();
        let (tell, mode) = watch::channel(mode);
        tokio::spawn(listen(port, target, mode));
        Self { port, mode: tell }
    }

    /// From the next connection on; `Pass` also ends those that hang.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send(mode).unwrap();
    }
}

async fn listen(port: u16, target: u16, mut mode: watch::Receiver<Mode>) {
    loop {
        if mode.wait_for(|mode| *mode != Mode::Refuse).await.is_err() {
            return;
        }
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        loop {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted.unwrap().0,
                gone = mode.wait_for(|mode| *mode == Mode::Refuse) => match gone {
                    Ok(_) => break,
                    Err(_) => return,
                },
            };
            let now = *mode.borrow();
            tokio::spawn(serve(stream, now, target));
        }
    }
}

async fn serve(mut stream: TcpStream, mode: Mode, target: u16) {
    let mut bytes = vec![0; 65_536];
    match mode {
        Mode::Refuse => {}
        Mode::Close => drop(stream.read(&mut bytes).await),
        Mode::Hang => while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {},
        Mode::Half => {
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-le").await;
            while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
        }
        Mode::TakeAll | Mode::CloseLater => {
            let _ = stream.read(&mut bytes).await;
            let _ = stream.write_all(&[0x20, 2, 0, 0]).await;
            let _ = stream.read(&mut bytes).await;
            if mode == Mode::TakeAll {
                while stream.read(&mut bytes).await.is_ok_and(|n| n > 0) {}
            }
        }
        Mode::Pass => {
            let mut server = loop {
                match TcpStream::connect(("127.0.0.1", target)).await {
                    Ok(server) => break server,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            };
            let _ = tokio::io::copy_bidirectional(&mut stream, &mut server).await;
        }
    }
}
