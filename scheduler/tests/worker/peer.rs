//! The other end of a worker, made by hand.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use arras_core::Value;
use arras_scheduler::worker::frame::{Limits, receive_frame, send_frame};
use arras_scheduler::worker::message::{FromWorker, Reply, Request, Secret, Setup, ToWorker, VERSION};

pub(crate) struct Peer {
    pub(crate) secret: Secret,
    lifeline: UnixStream,
    child: Child,
}

impl Peer {
    pub(crate) fn start() -> Peer {
        Peer::of(2)
    }

    /// A worker of so many threads.
    pub(crate) fn of(threads: u32) -> Peer {
        let secret = Secret::new([7; 16]);
        let (lifeline, child) = spawn();
        send_frame(&lifeline, &ToWorker::Setup(Setup { version: VERSION, secret, threads, ..Setup::default() }), &[], None).unwrap();
        let answer = answer(&lifeline);
        assert!(matches!(answer, FromWorker::Ready { pid, .. } if pid == child.id()), "{answer:?}");
        Peer { secret, lifeline, child }
    }

    pub(crate) fn answer_to(setup: &Setup) -> (FromWorker, Child) {
        let (lifeline, child) = spawn();
        send_frame(&lifeline, &ToWorker::Setup(setup.clone()), &[], None).unwrap();
        (answer(&lifeline), child)
    }

    /// A connection that has not said hello.
    pub(crate) fn open(&self) -> Talk {
        let (own, other) = UnixStream::pair().unwrap();
        send_frame(&self.lifeline, &ToWorker::Connect, &[], Some(other.as_fd())).unwrap();
        own.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Talk { stream: own }
    }

    pub(crate) fn connect(&self) -> Talk {
        let talk = self.open();
        assert!(matches!(talk.ask(&Request::Hello { secret: self.secret }, &[]), Reply::Welcome));
        talk
    }

    /// Closes the lifeline and waits for the worker's end.
    pub(crate) fn end(mut self) {
        self.lifeline.shutdown(std::net::Shutdown::Both).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn() -> (UnixStream, Child) {
    let (own, other) = UnixStream::pair().unwrap();
    own.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    let child = command.env("ARRAS_WORKER", "1").stdin(Stdio::from(OwnedFd::from(other))).spawn().unwrap();
    (own, child)
}

fn answer(lifeline: &UnixStream) -> FromWorker {
    receive_frame(lifeline, Limits::TRUSTED).unwrap().expect("an answer").message().unwrap()
}

pub(crate) struct Talk {
    pub(crate) stream: UnixStream,
}

impl Talk {
    pub(crate) fn send(&self, request: &Request, body: &[u8]) {
        send_frame(&self.stream, request, body, None).unwrap();
    }

    pub(crate) fn reply(&self) -> Reply {
        receive_frame(&self.stream, Limits::TRUSTED).unwrap().expect("a reply").message().unwrap()
    }

    pub(crate) fn ask(&self, request: &Request, body: &[u8]) -> Reply {
        self.send(request, body);
        self.reply()
    }

    pub(crate) fn value(&self, id: u64) -> Value {
        self.send(&Request::Get { id, shared: false }, &[]);
        let frame = receive_frame(&self.stream, Limits::TRUSTED).unwrap().expect("a reply");
        let reply: Reply = frame.message().unwrap();
        assert!(matches!(reply, Reply::Value { .. }), "{reply:?}");
        Value::from_wire(&frame.body).unwrap()
    }

    /// Whether the worker has closed the connection.
    pub(crate) fn is_closed(&self) -> bool {
        match receive_frame(&self.stream, Limits::TRUSTED) {
            Ok(frame) => frame.is_none(),
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }

    pub(crate) fn is_refused_or_closed(&self) -> bool {
        match receive_frame(&self.stream, Limits::TRUSTED) {
            Ok(Some(frame)) => matches!(frame.message(), Ok(Reply::Refused { .. })) && self.is_closed(),
            Ok(None) => true,
            Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
        }
    }
}
