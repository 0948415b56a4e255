"""The demo page as a Space of the Hugging Face Hub: tags and chords of songs.

    pip install -r requirements.txt
    python app.py            # the same page on this machine, at port 7860

A Space sets GRADIO_SERVER_NAME so that its page can be reached from outside.
"""

import os

from keras_musictag import demo

if __name__ == "__main__":
    demo.launch(
        host=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
        max_mb=50,
        max_minutes=10,
        # Behind the proxy of a Space all visitors have one address.
        max_visitor_mb=2000,
        max_total_mb=2000,
        open_browser=False,
    )
