//! What the routing rules should be, as data.

use std::fmt;
use std::path::Path;

use postern_node_abi::Mark;

/// Rules and routes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Which packets go to which table.
    pub rules: Vec<Rule>,
    /// What the tables say.
    pub routes: Vec<Route>,
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// `ip rule add priority P fwmark MARK/MASK lookup TABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Of which packets.
    pub family: Family,
    /// Rules are asked in this order, the lowest first.
    pub priority: u32,
    /// The mark, under the mask.
    pub mark: u32,
    /// Which bits of a packet's mark count.
    pub mask: u32,
    /// The table to look in.
    pub table: u32,
}

/// `ip route add local default dev lo table TABLE`: everything is for this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Of which packets.
    pub family: Family,
    /// The table that holds it. Nothing else may be in it.
    pub table: u32,
}

const TABLE: u32 = 2004;
/// After the local table (0), which knows this machine's own addresses; before the main table (32766), and before the rules
/// of network plugins, which lead pods' packets out and stand in the hundreds and above.
const PRIORITY: u32 = 100;

impl Plan {
    /// What steering needs, for IPv4 and IPv6.
    #[must_use]
    pub fn standard() -> Self {
        Self::of(&[Family::V4, Family::V6])
    }

    /// What steering needs on this machine: without IPv6 where that is switched off.
    #[must_use]
    pub fn for_this_machine() -> Self {
        if is_ipv6_off(Path::new("/proc/sys/net/ipv6")) {
            tracing::info!("IPv6 is switched off on this machine: only IPv4 is steered to the proxy");
            Self::of(&[Family::V4])
        } else {
            Self::standard()
        }
    }

    fn of(families: &[Family]) -> Self {
        let rule = |family: &Family| Rule {
            family: *family,
            priority: PRIORITY,
            mark: Mark::TO_PROXY,
            mask: Mark::MASK,
            table: TABLE,
        };
        let route = |family: &Family| Route { family: *family, table: TABLE };
        Self { rules: families.iter().map(rule).collect(), routes: families.iter().map(route).collect() }
    }
}

/// Off by the kernel's command line, or for every device. What cannot be read is not off: applying the plan will tell.
fn is_ipv6_off(settings: &Path) -> bool {
    let is_off = |device: &str| {
        let setting = settings.join("conf").join(device).join("disable_ipv6");
        std::fs::read_to_string(setting).is_ok_and(|text| text.trim() == "1")
    };
    !settings.exists() || (is_off("all") && is_off("lo"))
}

/// As `ip` wants it before `rule` or `route`.
impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::V4 => "-4",
            Self::V6 => "-6",
        })
    }
}

/// What `ip rule add` and `ip rule delete` take.
impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { family: _, priority, mark, mask, table } = self;
        write!(out, "priority {priority} fwmark {mark:#x}/{mask:#x} lookup {table}")
    }
}

/// What `ip route add` and `ip route delete` take.
impl fmt::Display for Route {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "local default dev lo table {}", self.table)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_plan_is_what_the_documentation_says() {
        let plan = Plan::standard();
        let lines: Vec<_> =
            plan.rules.iter().map(|rule| format!("ip {} rule add {rule}", rule.family)).collect();
        assert_eq!(
            lines,
            ["-4", "-6"].map(|f| format!("ip {f} rule add priority 100 fwmark 0x200/0xf00 lookup 2004"))
        );
        let lines: Vec<_> =
            plan.routes.iter().map(|route| format!("ip {} route add {route}", route.family)).collect();
        assert_eq!(lines, ["-4", "-6"].map(|f| format!("ip {f} route add local default dev lo table 2004")));
        assert!(plan.rules.iter().all(|rule| rule.priority < 32766 && rule.mark & !rule.mask == 0));
    }

    #[test]
    fn ipv6_is_off_when_the_kernel_says_so_of_everything() {
        let settings = tempfile::tempdir().unwrap();
        let set = |device: &str, text: &str| {
            let folder = settings.path().join("conf").join(device);
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("disable_ipv6"), text).unwrap();
        };
        assert!(is_ipv6_off(&settings.path().join("absent")));
        assert!(!is_ipv6_off(settings.path()));
        for (all, lo, off) in
            [("0\n", "0\n", false), ("1\n", "0\n", false), ("0\n", "1\n", false), ("1\n", "1\n", true)]
        {
            set("all", all);
            set("lo", lo);
            assert_eq!(is_ipv6_off(settings.path()), off, "{all:?} {lo:?}");
        }
    }
}
