"""Self-supervised pretraining of encoders on patches without labels."""
