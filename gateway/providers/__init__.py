"""Pure translators, one file a dialect: what was asked, what to send, what was used."""
