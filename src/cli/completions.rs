//! `hubdns completions` and `hubdns man`: made at run time, so that a package needs no further file.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, Exit, print};

/// What `completions` takes.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

/// Prints a completion script.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "hubdns", &mut script);
    print(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}

/// Prints the manual page: the command, then each of its subcommands.
pub(super) fn man() -> anyhow::Result<Exit> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for subcommand in command.get_subcommands().filter(|own| !own.is_hide_set() && own.get_name() != "help") {
        let man = clap_mangen::Man::new(subcommand.clone().disable_help_flag(true));
        for part in [clap_mangen::Man::render_name_section, clap_mangen::Man::render_synopsis_section] {
            part(&man, &mut page)?;
        }
        man.render_options_section(&mut page)?;
    }
    print(&String::from_utf8_lossy(&page))?;
    Ok(Exit::Fine)
}
