"""How models are trained: fine-tuning, probes, rates, backups, chords."""
