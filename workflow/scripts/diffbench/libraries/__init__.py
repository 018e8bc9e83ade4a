"""What torch, Diffusers and the other libraries have, what they call it and how they fail. Imports none of them at the top."""
