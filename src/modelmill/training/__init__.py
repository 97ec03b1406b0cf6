"""Training with Lightning. Modules named *_module import torch; import them inside the function that trains."""
