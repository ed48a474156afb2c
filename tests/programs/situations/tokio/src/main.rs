//! What a future waits for, on tokio. Arguments: `current` or `multi`, and the situation. A line on
//! stdin ends those waits that nobody else ends.
use std::io::BufRead;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

fn told() {
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
}

struct Shop {
    stock: Arc<Mutex<u32>>,
}

impl Shop {
    async fn sell(&self) -> u32 {
        let mut stock = self.stock.lock().unwrap(); // STALL:mutex
        *stock -= 1;
        *stock
    }
}

/// The mutex is held by a thread of the program's own until a line comes.
async fn mutex() {
    let shop = Shop { stock: Arc::new(Mutex::new(42)) };
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    let stock = shop.stock.clone();
    let clerk = std::thread::Builder::new().name("clerk".to_string());
    let clerk = clerk.spawn(move || {
        let _stock = stock.lock().unwrap();
        ready.send(()).unwrap();
        told();
    });
    is_ready.await.unwrap();
    println!("{} left", shop.sell().await);
    clerk.unwrap().join().unwrap();
}

async fn sleep() {
    let pause = Duration::from_millis(300);
    std::thread::sleep(pause); // STALL:sleep
}

async fn pool() {
    let pause = Duration::from_millis(300);
    let slept = tokio::task::spawn_blocking(move || std::thread::sleep(pause));
    slept.await.unwrap();
}

/// Tasks come in bursts, with seconds between: the workers park.
async fn idle() {
    for _ in 0..2 {
        let burst: Vec<_> = (0..16)
            .map(|_| tokio::spawn(async { tokio::time::sleep(Duration::from_millis(2)).await }))
            .collect();
        for task in burst {
            task.await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1100)).await;
    }
}

fn runtime(kind: &str) -> Runtime {
    let mut builder = match kind {
        "current" => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    if kind == "multi" {
        builder.worker_threads(4);
    }
    builder.enable_all().build().unwrap()
}

async fn situation(name: String) {
    // Before the first wait no thread is known to run a loop.
    tokio::time::sleep(Duration::from_millis(20)).await;
    match name.as_str() {
        "mutex" => mutex().await,
        "sleep" => sleep().await,
        "pool" => pool().await,
        "idle" => idle().await,
        _ => panic!("no such situation"),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = runtime(&arguments[1]);
    let task = runtime.spawn(situation(arguments[2].clone()));
    runtime.block_on(task).unwrap();
    println!("done");
}
