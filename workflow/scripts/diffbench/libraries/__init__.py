"""The differences between releases of torch, Diffusers and other libraries, and their errors. Imports none of them at the top."""
