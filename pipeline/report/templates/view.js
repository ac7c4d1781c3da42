/* The page of `smie-pipe view`: one player, and a gallery where there are several clips. */
(() => {
  const { plan, motions } = JSON.parse(document.getElementById("data").textContent);
  const player = new Player(document.getElementById("player"), plan);
  player.load(motions[0]);
  const gallery = document.getElementById("gallery");
  const clips = motions.map((motion) => ({ name: motion.name, caption: motion.caption, motion }));
  if (gallery) fillGallery(gallery, clips, plan, (index) => player.load(motions[index]));
})();
