"""Pictures of what the model sees: heat, fields, panels, charts, video."""
