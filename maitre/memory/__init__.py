"""What an assistant remembers: sessions, their turns, and which of them go before a new one."""
