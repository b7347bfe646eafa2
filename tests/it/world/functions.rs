//! The functions of a world, each started when it is first called.

use super::World;
use postern_stack::{Front, Function, binaries, login_of};
use std::sync::Arc;
use tokio::sync::OnceCell;

#[derive(Default)]
pub struct Functions {
    proxy: OnceCell<Function>,
    webhooks: OnceCell<Function>,
    sweep: OnceCell<Function>,
    control: OnceCell<Function>,
}

impl World {
    async fn function(&self, name: &str) -> Function {
        self.environments(name, 1).await
    }

    /// A function of its own, with this many execution environments.
    pub async fn environments(&self, name: &str, count: usize) -> Function {
        let path = binaries::build().unwrap().of(name);
        // Each function has a login of its own, with least rights, and the same password as the others.
        let variables = self.variables.clone().or("DATABASE_USER", &login_of(name));
        Function::start(name, &path, &variables.pairs(), count)
            .await
            .unwrap()
    }

    /// HTTP in front of functions of its own, for clients that know nothing of events.
    pub async fn front(&self) -> Front {
        let proxy = Arc::new(self.environments("proxy", 4).await);
        let webhooks = Arc::new(self.environments("webhooks", 1).await);
        Front::start(([127, 0, 0, 1], 0).into(), proxy, webhooks)
            .await
            .unwrap()
    }

    pub async fn proxy(&self) -> &Function {
        self.functions
            .proxy
            .get_or_init(|| self.function("proxy"))
            .await
    }

    pub async fn webhooks(&self) -> &Function {
        self.functions
            .webhooks
            .get_or_init(|| self.function("webhooks"))
            .await
    }

    pub async fn sweep_function(&self) -> &Function {
        self.functions
            .sweep
            .get_or_init(|| self.function("sweep"))
            .await
    }

    pub async fn control(&self) -> &Function {
        self.functions
            .control
            .get_or_init(|| self.function("control"))
            .await
    }
}
