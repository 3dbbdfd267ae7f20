"""From what runs to what the files say: plan, steps, rollout, releases."""
