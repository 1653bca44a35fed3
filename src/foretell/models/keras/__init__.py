"""Keras: any causal `keras.Model` behind the contract, the causal twin of one that is not, and
GPT-2 as a Keras 3 model. `foretell.interop.keras` is the door from outside.

Keras runs on TensorFlow, JAX or PyTorch, as its own configuration says; nothing here depends on
which.
"""
