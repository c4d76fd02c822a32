"""The PDM form: video of fixed cameras, and single images without a teacher."""
