"""The whole book on paper: ``assemble`` makes one document of the built pages, ``pdf`` has it printed."""
