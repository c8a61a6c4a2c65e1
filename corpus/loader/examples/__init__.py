"""Training loops on a folder of tokens, to copy from: torch's DistributedDataParallel, Hugging Face's Trainer, Ray's;
small models of three kinds; JAX."""
